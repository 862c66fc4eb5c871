// The operations page in the admin: asks for the same numbers again and again while somebody looks, and writes them in
// place. The server rendered the first; elements say which of them they show (data-value, data-rows, data-cell).

import { bytes, count, Rate } from "./format.js";
import { fill as fillText, gettext, locale } from "./text.js";

const EVERY = 2000;
const LONGEST = 30000;
const TIMEOUT = 10000;
// Only every so many times what looks back and counts everything that is stored.
const ALL_EVERY = 5;
// Rows come window by window, seconds apart.
const RATE_WINDOW = 12000;

const page = document.querySelector("[data-numbers]");
const status = page.querySelector("[role=status]");
const formats = { count, bytes };
const rates = new Map();
let wait = EVERY;
let timer = null;
let turn = 0;
let asking = false;
let upToDate = new Date();

function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

function write(element, value) {
  const format = formats[element.dataset.format];
  const known = value !== null && value !== undefined;
  setText(element, known && format ? format(value) : (value ?? "–"));
}

function writeRow(row, values) {
  row.dataset.id = values.id;
  for (const element of row.querySelectorAll("[data-cell]")) {
    write(element, values[element.dataset.cell]);
    if (element.dataset.href) {
      element.href = values[element.dataset.href];
    }
    if ("state" in element.dataset) {
      element.dataset.state = values.state;
    }
  }
  const bar = row.querySelector("progress");
  if (bar) {
    bar.setAttribute("aria-label", values.filename);
    if (values.length) {
      bar.max = values.length;
      bar.value = values.bytes_done;
    }
  }
}

// Rows come, go and change; one that somebody has the focus in stays until they leave it.
function writeRows(container, all) {
  const template = container.querySelector("template");
  const shown = new Map([...container.querySelectorAll(":scope > [data-id]")].map((row) => [row.dataset.id, row]));
  const wanted = new Set(all.map((values) => values.id));
  for (const [id, row] of shown) {
    if (!wanted.has(id) && !row.contains(document.activeElement)) {
      row.remove();
    }
  }
  let place = template;
  for (const values of all) {
    const row = shown.get(values.id) ?? template.content.firstElementChild.cloneNode(true);
    writeRow(row, values);
    if (place.nextElementSibling !== row && !row.contains(document.activeElement)) {
      place.after(row);
    }
    place = row;
  }
}

// The server's rate is the average since the job began; this one, once it is known, is that of now.
function withRates(jobs) {
  const known = new Set(jobs.map((job) => job.id));
  [...rates.keys()].filter((id) => !known.has(id)).forEach((id) => rates.delete(id));
  return jobs.map((job) => {
    const rate = rates.get(job.id) ?? new Rate(RATE_WINDOW);
    rates.set(job.id, rate);
    rate.add(job.rows);
    const now = rate.perSecond(EVERY);
    return now ? { ...job, rate: Math.round(now) } : job;
  });
}

function show(numbers) {
  if (numbers.jobs) {
    numbers.jobs = withRates(numbers.jobs);
  }
  for (const element of page.querySelectorAll("[data-value]")) {
    const value = element.dataset.value.split(".").reduce((part, name) => part?.[name], numbers);
    if (value !== undefined) {
      write(element, value);
    }
  }
  const alarm = page.querySelector("[data-value=alarm]");
  alarm.hidden = !alarm.textContent;
  for (const container of page.querySelectorAll("[data-rows]")) {
    const rows = numbers[container.dataset.rows];
    if (rows) {
      writeRows(container, rows);
    }
  }
  for (const element of page.querySelectorAll("[data-empty], [data-full]")) {
    const rows = numbers[element.dataset.empty ?? element.dataset.full];
    if (rows) {
      element.hidden = "empty" in element.dataset ? rows.length > 0 : rows.length === 0;
    }
  }
}

async function ask() {
  const all = turn % ALL_EVERY === 0;
  const address = all ? page.dataset.numbers : `${page.dataset.numbers}?part=live`;
  const answer = await fetch(address, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(TIMEOUT) });
  if (answer.redirected || answer.status === 403) {
    return null;
  }
  if (!answer.ok) {
    throw new Error(answer.status);
  }
  return answer.json();
}

async function look() {
  if (document.hidden || asking) {
    return;
  }
  asking = true;
  try {
    const numbers = await ask();
    if (numbers === null) {
      setText(status, gettext("You are no longer logged in. Reload the page."));
      return;
    }
    turn += 1;
    wait = EVERY;
    upToDate = new Date();
    show(numbers);
    setText(status, gettext("Live: the numbers follow by themselves."));
  } catch {
    wait = Math.min(wait * 2, LONGEST);
    const text = gettext("Not up to date since %(time)s: the server does not answer. It is asked again.");
    setText(status, fillText(text, { time: upToDate.toLocaleTimeString(locale) }));
  } finally {
    asking = false;
  }
  timer = window.setTimeout(look, wait);
}

document.addEventListener("visibilitychange", () => {
  window.clearTimeout(timer);
  if (!document.hidden) {
    wait = EVERY;
    look();
  }
});
timer = window.setTimeout(look, EVERY);
