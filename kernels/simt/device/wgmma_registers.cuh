// The operands of asm statements that hold an array `d` of accumulators: SIMT_NAMES_n are the names of the first n, SIMT_SUMS_n
// binds d[0] to d[n - 1] to them, with a constraint such as "+r".
#pragma once

#define SIMT_NAMES_4 "%0,%1,%2,%3"
#define SIMT_NAMES_8 SIMT_NAMES_4 ",%4,%5,%6,%7"
#define SIMT_NAMES_12 SIMT_NAMES_8 ",%8,%9,%10,%11"
#define SIMT_NAMES_16 SIMT_NAMES_12 ",%12,%13,%14,%15"
#define SIMT_NAMES_20 SIMT_NAMES_16 ",%16,%17,%18,%19"
#define SIMT_NAMES_24 SIMT_NAMES_20 ",%20,%21,%22,%23"
#define SIMT_NAMES_28 SIMT_NAMES_24 ",%24,%25,%26,%27"
#define SIMT_NAMES_32 SIMT_NAMES_28 ",%28,%29,%30,%31"
#define SIMT_NAMES_36 SIMT_NAMES_32 ",%32,%33,%34,%35"
#define SIMT_NAMES_40 SIMT_NAMES_36 ",%36,%37,%38,%39"
#define SIMT_NAMES_44 SIMT_NAMES_40 ",%40,%41,%42,%43"
#define SIMT_NAMES_48 SIMT_NAMES_44 ",%44,%45,%46,%47"
#define SIMT_NAMES_52 SIMT_NAMES_48 ",%48,%49,%50,%51"
#define SIMT_NAMES_56 SIMT_NAMES_52 ",%52,%53,%54,%55"
#define SIMT_NAMES_60 SIMT_NAMES_56 ",%56,%57,%58,%59"
#define SIMT_NAMES_64 SIMT_NAMES_60 ",%60,%61,%62,%63"
#define SIMT_NAMES_68 SIMT_NAMES_64 ",%64,%65,%66,%67"
#define SIMT_NAMES_72 SIMT_NAMES_68 ",%68,%69,%70,%71"
#define SIMT_NAMES_76 SIMT_NAMES_72 ",%72,%73,%74,%75"
#define SIMT_NAMES_80 SIMT_NAMES_76 ",%76,%77,%78,%79"
#define SIMT_NAMES_84 SIMT_NAMES_80 ",%80,%81,%82,%83"
#define SIMT_NAMES_88 SIMT_NAMES_84 ",%84,%85,%86,%87"
#define SIMT_NAMES_92 SIMT_NAMES_88 ",%88,%89,%90,%91"
#define SIMT_NAMES_96 SIMT_NAMES_92 ",%92,%93,%94,%95"
#define SIMT_NAMES_100 SIMT_NAMES_96 ",%96,%97,%98,%99"
#define SIMT_NAMES_104 SIMT_NAMES_100 ",%100,%101,%102,%103"
#define SIMT_NAMES_108 SIMT_NAMES_104 ",%104,%105,%106,%107"
#define SIMT_NAMES_112 SIMT_NAMES_108 ",%108,%109,%110,%111"
#define SIMT_NAMES_116 SIMT_NAMES_112 ",%112,%113,%114,%115"
#define SIMT_NAMES_120 SIMT_NAMES_116 ",%116,%117,%118,%119"
#define SIMT_NAMES_124 SIMT_NAMES_120 ",%120,%121,%122,%123"
#define SIMT_NAMES_128 SIMT_NAMES_124 ",%124,%125,%126,%127"

#define SIMT_SUMS_4(C) C(d[0]), C(d[1]), C(d[2]), C(d[3])
#define SIMT_SUMS_8(C) SIMT_SUMS_4(C), C(d[4]), C(d[5]), C(d[6]), C(d[7])
#define SIMT_SUMS_12(C) SIMT_SUMS_8(C), C(d[8]), C(d[9]), C(d[10]), C(d[11])
#define SIMT_SUMS_16(C) SIMT_SUMS_12(C), C(d[12]), C(d[13]), C(d[14]), C(d[15])
#define SIMT_SUMS_20(C) SIMT_SUMS_16(C), C(d[16]), C(d[17]), C(d[18]), C(d[19])
#define SIMT_SUMS_24(C) SIMT_SUMS_20(C), C(d[20]), C(d[21]), C(d[22]), C(d[23])
#define SIMT_SUMS_28(C) SIMT_SUMS_24(C), C(d[24]), C(d[25]), C(d[26]), C(d[27])
#define SIMT_SUMS_32(C) SIMT_SUMS_28(C), C(d[28]), C(d[29]), C(d[30]), C(d[31])
#define SIMT_SUMS_36(C) SIMT_SUMS_32(C), C(d[32]), C(d[33]), C(d[34]), C(d[35])
#define SIMT_SUMS_40(C) SIMT_SUMS_36(C), C(d[36]), C(d[37]), C(d[38]), C(d[39])
#define SIMT_SUMS_44(C) SIMT_SUMS_40(C), C(d[40]), C(d[41]), C(d[42]), C(d[43])
#define SIMT_SUMS_48(C) SIMT_SUMS_44(C), C(d[44]), C(d[45]), C(d[46]), C(d[47])
#define SIMT_SUMS_52(C) SIMT_SUMS_48(C), C(d[48]), C(d[49]), C(d[50]), C(d[51])
#define SIMT_SUMS_56(C) SIMT_SUMS_52(C), C(d[52]), C(d[53]), C(d[54]), C(d[55])
#define SIMT_SUMS_60(C) SIMT_SUMS_56(C), C(d[56]), C(d[57]), C(d[58]), C(d[59])
#define SIMT_SUMS_64(C) SIMT_SUMS_60(C), C(d[60]), C(d[61]), C(d[62]), C(d[63])
#define SIMT_SUMS_68(C) SIMT_SUMS_64(C), C(d[64]), C(d[65]), C(d[66]), C(d[67])
#define SIMT_SUMS_72(C) SIMT_SUMS_68(C), C(d[68]), C(d[69]), C(d[70]), C(d[71])
#define SIMT_SUMS_76(C) SIMT_SUMS_72(C), C(d[72]), C(d[73]), C(d[74]), C(d[75])
#define SIMT_SUMS_80(C) SIMT_SUMS_76(C), C(d[76]), C(d[77]), C(d[78]), C(d[79])
#define SIMT_SUMS_84(C) SIMT_SUMS_80(C), C(d[80]), C(d[81]), C(d[82]), C(d[83])
#define SIMT_SUMS_88(C) SIMT_SUMS_84(C), C(d[84]), C(d[85]), C(d[86]), C(d[87])
#define SIMT_SUMS_92(C) SIMT_SUMS_88(C), C(d[88]), C(d[89]), C(d[90]), C(d[91])
#define SIMT_SUMS_96(C) SIMT_SUMS_92(C), C(d[92]), C(d[93]), C(d[94]), C(d[95])
#define SIMT_SUMS_100(C) SIMT_SUMS_96(C), C(d[96]), C(d[97]), C(d[98]), C(d[99])
#define SIMT_SUMS_104(C) SIMT_SUMS_100(C), C(d[100]), C(d[101]), C(d[102]), C(d[103])
#define SIMT_SUMS_108(C) SIMT_SUMS_104(C), C(d[104]), C(d[105]), C(d[106]), C(d[107])
#define SIMT_SUMS_112(C) SIMT_SUMS_108(C), C(d[108]), C(d[109]), C(d[110]), C(d[111])
#define SIMT_SUMS_116(C) SIMT_SUMS_112(C), C(d[112]), C(d[113]), C(d[114]), C(d[115])
#define SIMT_SUMS_120(C) SIMT_SUMS_116(C), C(d[116]), C(d[117]), C(d[118]), C(d[119])
#define SIMT_SUMS_124(C) SIMT_SUMS_120(C), C(d[120]), C(d[121]), C(d[122]), C(d[123])
#define SIMT_SUMS_128(C) SIMT_SUMS_124(C), C(d[124]), C(d[125]), C(d[126]), C(d[127])
