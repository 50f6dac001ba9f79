// The playground: the text on the left, its faults under it, the page of its net on the right.
//
// The page of the net lives in a frame without an origin. It is told what happens by messages:
//   {snsim: "learn"}                  begin to learn
//   {snsim: "weights", file}          weights of a native training, a safetensors file (ArrayBuffer)
//   {snsim: "passes", lines}          the figures of all passes of a native training so far

const WAIT = 400; // ms after the last key until the text is compiled
const element = (id) => document.getElementById(id);
const text = element("text"), colours = element("colours"), lines = element("lines"), frame = element("page");
let kinds = new Map(); // name at the head of a form -> its kind
let name = "", saved = "", title = "", timer = 0, round = 0, faults = [];
let isThere = false, past = [], events = null; // the frame is ready; the passes of the native training; its stream

// ---- The server ------------------------------------------------------------------------------------------------------

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const reply = await fetch(path, options);
  if (!reply.ok) throw new Error(`${path}: ${reply.status}`);
  return reply.json();
}

function say(sentence) { element("state").textContent = sentence; }

// ---- Colours ---------------------------------------------------------------------------------------------------------

const TOKEN = /;[^\n]*|"(?:\\[\s\S]|[^"\\])*"?|\((?:[ \t]*)([^\s()"';`,]+)|(?<![^\s()"';`,])[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?(?![^\s()"';`,])/gi;

function paint() {
  const content = text.value, pieces = [];
  let end = 0;
  const plain = (to) => { if (to > end) pieces.push(document.createTextNode(content.slice(end, to))); };
  const coloured = (from, to, kind) => {
    plain(from);
    const span = document.createElement("span");
    span.className = kind;
    span.textContent = content.slice(from, to);
    pieces.push(span);
    end = to;
  };
  for (const match of content.matchAll(TOKEN)) {
    const from = match.index, to = from + match[0].length, first = match[0][0];
    if (first === ";") coloured(from, to, "comment");
    else if (first === '"') coloured(from, to, "string");
    else if (first !== "(") coloured(from, to, "number");
    else {
      const kind = kinds.get(match[1].toLowerCase().replaceAll("_", "-"));
      if (kind) coloured(to - match[1].length, to, kind);
    }
  }
  plain(content.length);
  colours.replaceChildren(...pieces, document.createTextNode("\n"));
  const count = content.split("\n").length, marks = new Map();
  for (const fault of faults) if (fault.line && marks.get(fault.line) !== "error") marks.set(fault.line, fault.severity);
  lines.replaceChildren(...Array.from({ length: count }, (_, k) => {
    const line = document.createElement("div");
    line.textContent = k + 1;
    if (marks.has(k + 1)) line.className = marks.get(k + 1);
    return line;
  }));
  text.style.height = `${colours.scrollHeight}px`;
  text.style.width = `${colours.scrollWidth}px`;
  element("save").disabled = !element("save").dataset.can || content === saved;
}

// ---- Faults ----------------------------------------------------------------------------------------------------------

function showFaults(found) {
  faults = found;
  const box = element("faults");
  box.hidden = !found.length;
  box.replaceChildren(...found.map((fault) => {
    const entry = document.createElement("pre");
    entry.className = fault.severity;
    entry.append(...fault.text.split("\n").map((line) => { // code and its caret keep their columns, sentences wrap
      const row = document.createElement("span");
      row.className = /^ *(\d+ \||\^+$)/.test(line) ? "code" : "words";
      row.textContent = `${line}\n`;
      return row;
    }));
    if (fault.line) {
      entry.tabIndex = 0;
      entry.setAttribute("role", "button");
      entry.onclick = () => goTo(fault.line, fault.column);
      entry.onkeydown = (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); entry.onclick(); } };
    }
    return entry;
  }));
  paint();
}

function goTo(line, column) {
  const at = text.value.split("\n").slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0) + column - 1;
  text.focus();
  text.setSelectionRange(at, at);
  const height = parseFloat(getComputedStyle(text).lineHeight);
  element("editor").scrollTop = Math.max(0, (line - 4) * height);
}

// ---- Compile ---------------------------------------------------------------------------------------------------------

async function compile(learn = true) {
  const mine = ++round, began = performance.now();
  say("compiling …");
  let reply;
  try {
    reply = await ask("compile", { text: text.value, name });
  } catch {
    say("the server has ended: start snsim play again");
    return;
  }
  if (mine !== round) return;
  if (reply.replaced) return say("another window compiles: change the text to compile it again");
  showResult(reply, learn, began);
}

function showResult(reply, learn, began) {
  showFaults(reply.faults ?? []);
  element("printed").hidden = !reply.printed;
  element("printed").textContent = reply.printed ?? "";
  const errors = faults.filter((fault) => fault.severity === "error").length;
  if (reply.page) {
    isThere = false;
    frame.onload = () => {
      frame.classList.add("there");
      isThere = true;
      if (past.length) tell({ snsim: "passes", lines: past });
      if (past.length && events) weights();
      if (learn) tell({ snsim: "learn" });
      say(`${reply.title ?? title}: ready in ${Math.round(performance.now() - began)} ms`);
    };
    frame.src = reply.page;
  } else {
    say(errors === 1 ? "1 error: the net is the one before" : `${errors} errors: the net is the one before`);
  }
}

function tell(message, transfer = []) {
  frame.contentWindow?.postMessage(message, "*", transfer);
}

// ---- A native training -----------------------------------------------------------------------------------------------

const MOST_ROWS = 500;
let fetching = false, missed = false, drawing = 0;

function watch(folder, words = "") {
  element("native").hidden = false;
  element("folder").textContent = `${folder}${words}`;
  element("passes").replaceChildren();
  element("stop").hidden = false;
  events?.close();
  past = [];
  events = new EventSource("events");
  events.addEventListener("pass", (event) => {
    const line = JSON.parse(event.data), row = document.createElement("tr"), test = line.test ?? {};
    const cells = [line.pass, line.train.loss?.toPrecision(4), line.train.misses, test.loss?.toPrecision(4), test.misses, line.seconds?.toFixed(2)];
    for (const value of cells) row.append(Object.assign(document.createElement("td"), { textContent: value ?? "" }));
    element("passes").prepend(row);
    past.push(line);
    while (element("passes").childElementCount > MOST_ROWS) element("passes").lastElementChild.remove();
    if (!drawing) drawing = requestAnimationFrame(() => { drawing = 0; if (isThere) tell({ snsim: "passes", lines: past }); });
    weights();
  });
  const mine = events, over = () => { mine.close(); weights(); };
  events.addEventListener("end", (event) => {
    over();
    element("stop").hidden = true;
    const found = JSON.parse(event.data).faults ?? [];
    if (found.length) showFaults(found);
    say(found.length ? `${folder}: the run was ended by an error` : `${folder}: the run has ended`);
  });
  events.addEventListener("fault", (event) => { over(); say(JSON.parse(event.data).text); });
  events.onerror = () => { over(); say("the connection to the run was lost: load this page again"); };
}

// Fetch the newest weights and show them, one request at a time.
async function weights() {
  if (fetching) { missed = true; return; }
  fetching = true;
  const reply = await fetch("weights").catch(() => null);
  if (reply?.ok && isThere) {
    const file = await reply.arrayBuffer();
    tell({ snsim: "weights", file }, [file]);
  }
  fetching = false;
  if (missed) { missed = false; weights(); }
}

async function train() {
  say("reading the data …");
  tell({ snsim: "pause" });
  element("train").disabled = true;
  const reply = await ask("train", { text: text.value, name }).catch(() => null);
  element("train").disabled = false;
  if (!reply) return say("the server has ended: start snsim play again");
  if (reply.run) {
    say(`training natively into ${reply.run}`);
    watch(reply.run, ` learns ${reply.data}`);
  } else {
    showFaults(reply.faults ?? []);
    say("the training cannot begin");
  }
}

let chosen = ""; // of the list; "" is the text that snsim play was started with

// ---- The editor ------------------------------------------------------------------------------------------------------

function tellAbout(lines) {
  element("about").hidden = !lines.length;
  element("about").textContent = lines.join("\n");
}

function edited() {
  faults = [];
  paint();
  clearTimeout(timer);
  timer = setTimeout(compile, WAIT);
}

async function choose() {
  const list = element("gallery");
  if (text.value !== saved && !confirm("Discard the changes of this text?")) {
    list.value = chosen;
    return;
  }
  const own = list.value === "";
  const reply = await (own ? ask("start") : ask(`gallery/${encodeURIComponent(list.value)}`)).catch(() => null);
  if (!reply) return say("the server has ended: start snsim play again");
  [chosen, name, text.value, saved, past] = [list.value, reply.name, reply.text, reply.text, []];
  if (own && reply.can_save) element("save").dataset.can = "yes"; else delete element("save").dataset.can;
  faults = [];
  tellAbout(reply.about ?? []);
  paint();
  compile();
}

async function save() {
  const content = text.value, reply = await ask("save", { text: content, name }).catch(() => null);
  if (!reply) return say("not saved: the server has ended");
  if (reply.saved) { saved = content; say(`saved ${reply.saved}`); paint(); } else showFaults(reply.faults ?? []);
}

function divide() {
  const divider = element("divider"), set = (x) => document.body.style.setProperty("--width", `${Math.min(80, Math.max(15, x))}%`);
  divider.onpointerdown = (event) => {
    divider.setPointerCapture(event.pointerId);
    frame.style.pointerEvents = "none";
    divider.onpointermove = (move) => set(100 * move.clientX / innerWidth);
    divider.onpointerup = () => { divider.onpointermove = null; frame.style.pointerEvents = ""; };
  };
  divider.onkeydown = (event) => {
    const step = { ArrowLeft: -2, ArrowRight: 2 }[event.key];
    if (step) set(100 * element("description").offsetWidth / innerWidth + step);
  };
}

text.addEventListener("input", edited);
text.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "s") { event.preventDefault(); if (!element("save").disabled) save(); }
});
element("save").onclick = save;
element("train").onclick = train;
element("stop").onclick = () => ask("stop", { text: "", name }).catch(() => say("the server has ended"));
element("gallery").onchange = choose;
divide();

const start = await ask("start");
for (const [kind, words] of Object.entries(start.names).reverse()) for (const word of words) kinds.set(word, kind);
[name, title, text.value, saved] = [start.name, start.title, start.text, start.text];
tellAbout(start.about);
document.title = `${title} · snsim play`;
element("gallery").replaceChildren(
  new Option(title, "", true, true),
  ...start.gallery.map((net) => Object.assign(new Option(net.name, net.name), { title: net.doc })),
);
if (start.can_save) element("save").dataset.can = "yes";
if (start.run) {
  document.body.classList.add("watching");
  showResult(start.page, false, performance.now());
  watch(start.run);
} else {
  compile();
}
