#include <cpu/finish.hpp>
#include <cpu/parallel.hpp>

namespace immabench::cpu {

void compute(const FinishArguments& a, int threads) {
  const i64 rows = a.batch * a.rows;
  switch (a.type) {
    case SumType::kS32: return run(Finish<i32>{a}, rows, a.columns, threads);
    case SumType::kF32: return run(Finish<float>{a}, rows, a.columns, threads);
    case SumType::kS8: return run(Finish<i8>{a}, rows, a.columns, threads);
  }
}

void compute(const RequantizeArguments& a, int threads) {
  FinishArguments finish{.sums = a.x,
                         .out = a.codes,
                         .type = a.accumulators ? SumType::kS32 : SumType::kS8,
                         .rows = a.rows,
                         .columns = a.columns,
                         .qmin = a.qmin,
                         .qmax = a.qmax,
                         .epilogue = {}};
  EpilogueArguments& e = finish.epilogue;
  e.a_zero = a.x_zero_point, e.bias = a.bias, e.output = OutputType::kS8;
  e.row_scale = a.row_scale, e.row_scale_stride = a.row_scale_stride;
  e.col_scale = a.col_scale, e.col_scale_stride = a.col_scale_stride;
  e.out_scale = a.scale, e.out_zero = a.zero_point;
  compute(finish, threads);
}

}  // namespace immabench::cpu
