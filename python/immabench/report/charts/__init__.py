"""Interactive charts as plotly figures in plain data, a module a chart. Colours ``@name`` the page resolves.

Plotly's Python objects are not needed to state a figure: its JSON is the interface, and only its script is inlined.
"""

from immabench.report.charts.cliffs import cliff_chart as cliff_chart
from immabench.report.charts.gain import gain_chart as gain_chart
from immabench.report.charts.grid import grid_chart as grid_chart
from immabench.report.charts.models import model_chart as model_chart
from immabench.report.charts.roofline import roofline_chart as roofline_chart
from immabench.report.charts.shares import share_chart as share_chart
