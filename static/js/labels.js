// A job's state in words; as reports/templatetags/reports.py has them.

import { count } from "./format.js";
import { fill, gettext, ngettext } from "./text.js";

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
