// A report opened by a link: nothing in it changes any more.

import { drawCharts } from "./charts.js";
import { Table } from "./table.js";

drawCharts();
new Table(document.getElementById("totals"));
