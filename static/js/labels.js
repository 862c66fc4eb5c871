// A job in words; as reports/templatetags/reports.py has them.

import { count } from "./format.js";
import { fill, gettext, ngettext } from "./text.js";

// How many rows a job has read, or imported: what an import has written stays, and can be undone.
export function rowsOf(job) {
  if (job.is_import) {
    return fill(gettext("%(count)s imported"), { count: count(job.rows - job.bad_rows) });
  }
  return fill(ngettext("%(count)s row", "%(count)s rows", job.rows), { count: count(job.rows) });
}

// What the link to a job's page says.
export function openLabel(job) {
  return job.is_import ? gettext("Open import") : gettext("Open report");
}

// Which question is asked before the job is removed: customers that are there stay.
export function removalOf(job) {
  if (!job.is_import) {
    return "report";
  }
  return job.can_undo ? "import" : "empty-import";
}

export function labelOf(state, badRows = 0) {
  switch (state) {
    case "queued":
      return gettext("Queued");
    case "uploading":
      return gettext("Uploading");
    case "paused":
      return gettext("Paused");
    case "reconnecting":
      return gettext("Reconnecting");
    case "waiting":
      return gettext("Waiting for the file");
    case "processing":
      return gettext("Processing");
    case "cancelling":
      return gettext("Cancelling");
    case "cancelled":
      return gettext("Cancelled");
    case "undone":
      return gettext("Undone");
    case "failed":
      return gettext("Failed");
    case "done_with_rejects":
      return fill(ngettext("Done with %(count)s rejected row", "Done with %(count)s rejected rows", badRows), {
        count: count(badRows),
      });
    default:
      return gettext("Done");
  }
}
