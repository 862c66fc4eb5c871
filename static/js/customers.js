// The customers: searched, sorted and paged in place.

import { Table } from "./table.js";

const customers = document.getElementById("customers");
if (customers) {
  new Table(customers);
}
