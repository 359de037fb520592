// Controls: faders, switches, choices, texts. All made from the parameters' declaration.

export const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
};

const TITLES = { on: "Change presets", launch: "Launch presets" };
export const label = (name) => {
  if (name in TITLES) return TITLES[name];
  const words = name.replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
};

// A card with its button: chosen or not.
export const press = (card, on) => {
  card.classList.toggle("on", on);
  card.querySelector(".pick").setAttribute("aria-pressed", String(on));
};

// Why a WebSocket was refused or closed, in livedream's words; "" where it was not livedream that closed it.
const TRY_LATER = 1013; // of RFC 6455's registry
const OWN = 4000; // codes from here on
export const whyClosed = ({ code, reason }) => (code === TRY_LATER || code >= OWN ? reason : "");

// Of a phone that is out of reach, the browser takes minutes to close the connection. Each second this asks for the
// WebSocket and ends one that has said nothing for some. Returns what is to be called whenever it says something.
const SILENT_S = 4; // the panel and the studio say something each second
export const dropSilent = (current) => {
  // Seconds are counted, not measured: a page that was held up by a question, or lay in a pocket, has not read yet what came.
  let silent = 0;
  setInterval(() => {
    silent = document.hidden ? 0 : silent + 1;
    if (silent >= SILENT_S) drop(current());
  }, 1000);
  return () => { silent = 0; };
};

const drop = (socket) => {
  if (socket?.readyState !== WebSocket.OPEN) return;
  const { onclose } = socket;
  socket.onmessage = socket.onclose = null;
  socket.close();
  onclose({});
};

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

export const toValue = (parameter, unit) => {
  const { low, high } = parameter;
  let value = parameter.logarithmic ? low * (high / low) ** unit : low + (high - low) * unit;
  if (parameter.kind === "int") value = Math.round(value);
  return value;
};

export const shown = (value, kind = "float") => {
  if (kind === "int") return String(value);
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
};

export const duration = (seconds) =>
  seconds < 90 ? `${Math.round(seconds)} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;

const FINE = 0.2; // with Shift, of a drag and of an arrow key
const ANSWERED_MS = 500; // by then the show has answered the last move
const SHORT = { degrees: "°", "degrees/s": "°/s" };

// A fader moves by how far the finger goes, not to where it lands: no jump under a thumb.
// A tap without a move does set it there. Vertical moves scroll the page.
export class Fader {
  // from: where the fill begins, 0.5 for what goes both ways.
  constructor({ name, title, unit = "", help = "", from = 0, format, changed, typed, reset }) {
    this.at = 0; this.from = from; this.dragged = false; this.format = format; this.changed = changed; this.reset = reset;
    this.unit = SHORT[unit] ?? unit;
    this.number = make("button", { class: "number", type: "button", "aria-label": `${title}: type a value`, onclick: () => this.type(typed) });
    this.node = make("div", { class: "fader", "data-name": name, role: "slider", tabindex: 0, "aria-label": title,
      "aria-valuemin": 0, "aria-valuemax": 1, title: help },
      this.fill = make("div", { class: "fill" }), make("div", { class: "mark" }), make("div", { class: "ghost" }),
      make("div", { class: "face" }, make("span", { class: "name" }, title), this.number));
    this.node.style.setProperty("--from", from);
    this.node.addEventListener("pointerdown", (event) => this.grab(event));
    this.node.addEventListener("dblclick", (event) => { if (!event.target.closest(".number")) this.reset?.(); });
    this.node.addEventListener("keydown", (event) => this.key(event));
  }

  // What the show has: not under a finger, but soon after it is gone, when its last move was taken or refused.
  tell(...told) {
    this.told = told;
    if (!this.dragged) this.show(...told);
  }

  show(at, text, different = false) {
    this.at = at;
    this.node.style.setProperty("--at", at);
    this.fill.classList.toggle("low", at < this.from);
    this.node.setAttribute("aria-valuenow", at.toFixed(3));
    this.node.setAttribute("aria-valuetext", `${text} ${this.unit}`);
    this.node.classList.toggle("changed", different);
    const figure = /\d$/.test(text);
    this.number.replaceChildren(text, this.unit && figure ? make("small", {}, this.unit) : "");
  }

  ghost(at) {
    this.node.classList.toggle("moving", at !== undefined);
    if (at !== undefined) this.node.style.setProperty("--now", at);
  }

  move(at) {
    this.show(clamp(at, 0, 1), this.format(clamp(at, 0, 1)), true);
    this.changed(this.at);
  }

  grab(event) {
    if (event.target.closest(".number, input") || event.button || document.body.classList.contains("learning")) return;
    const start = { x: event.clientX, at: this.at, moved: false, width: this.node.clientWidth };
    const slow = () => (event.shiftKey ? FINE : 1);
    const move = (now) => {
      const passed = now.clientX - start.x;
      if (!start.moved && Math.abs(passed) < 5) return;
      if (!start.moved) { start.moved = this.dragged = true; this.node.setPointerCapture(event.pointerId); start.x += Math.sign(passed) * 5; }
      this.move(start.at + ((now.clientX - start.x) / start.width) * slow());
    };
    const end = (now) => {
      this.node.removeEventListener("pointermove", move);
      this.node.removeEventListener("pointerup", end);
      this.node.removeEventListener("pointercancel", end);
      this.dragged = false;
      setTimeout(() => { if (this.told && !this.dragged) this.show(...this.told); }, ANSWERED_MS);
      if (now.type === "pointerup" && !start.moved) {
        const box = this.node.getBoundingClientRect();
        this.move((now.clientX - box.left) / box.width);
      }
    };
    this.node.addEventListener("pointermove", move);
    this.node.addEventListener("pointerup", end);
    this.node.addEventListener("pointercancel", end);
  }

  key(event) {
    if (event.target !== this.node) return;
    const step = event.shiftKey ? FINE * 0.01 : 0.01;
    const to = { ArrowRight: this.at + step, ArrowUp: this.at + step, ArrowLeft: this.at - step, ArrowDown: this.at - step, Home: 0, End: 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.move(to);
  }

  type(typed) {
    if (!typed || document.body.classList.contains("learning")) return;
    const field = make("input", { type: "text", inputmode: "decimal", value: this.number.firstChild?.textContent ?? "", "aria-label": "value" });
    let open = true;
    const done = (keep) => {
      if (!open) return; // removing the field takes its focus, which would end it a second time
      open = false;
      const value = Number(field.value.replace(",", "."));
      field.remove();
      if (keep && field.value.trim() && Number.isFinite(value)) typed(value);
    };
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key !== "Enter" && event.key !== "Escape") return;
      done(event.key === "Enter");
      this.node.focus();
    });
    field.addEventListener("blur", () => done(true));
    this.node.append(field);
    field.focus();
    field.select();
  }
}

// What the show had, and what it was sent since.
export class Sent {
  constructor(had) { this.all = [had]; }

  add(text) { this.all.push(text); }

  // Whether what it has now is older than what was sent last. What did not come from here is newer.
  older(had) {
    const at = this.all.indexOf(had);
    this.all = at < 0 ? [had] : this.all.slice(at);
    return had !== this.all.at(-1);
  }
}

// What a help text says of an empty field: "...; empty: everywhere".
const emptyMeans = ({ help }) => help.match(/empty: ([^;]+)/)?.[1] ?? "";

// What goes below and above a middle, as a turn or a zoom, is drawn from there.
const rest = ({ low, high, logarithmic, default: usual }) => {
  const at = logarithmic ? Math.log(usual / low) / Math.log(high / low) : -low / (high - low);
  return (low < 0 && high > 0) || (logarithmic && usual > low && usual < high) ? at : 0;
};

// In a live region: `text` is read out to who cannot see it, once; figures behind it, which change all the time, are not.
export const announce = (node, text, figures = "") => {
  if (node.firstChild?.data !== text) node.replaceChildren(text);
  if (figures && !node.firstElementChild) node.append(make("span", { "aria-live": "off" }));
  if (node.firstElementChild) node.firstElementChild.textContent = figures;
};

// Under a control: why what was entered there was refused; for `ms`, 0: until it is taken back.
export const refusal = () => {
  const node = make("p", { class: "refused", role: "alert", hidden: true });
  let timer = 0;
  const show = (text, ms = 12000) => {
    node.textContent = text;
    node.hidden = !text;
    clearTimeout(timer);
    if (text && ms) timer = setTimeout(show, ms, "");
  };
  return { node, show };
};

// When presets come, by the tempo; other texts stay as they are.
const OFF = { on: "after their own times", launch: "at once" };
export const inWords = (text, name) => text.replace(/^off$/, OFF[name] ?? "off").replace(/^(beat|bar)$/, "every $1").replace(/^(beat|bar):(\d+)$/, "every $2 $1s");

// One of those offered; where others are allowed as well, they can be typed.
const choice = (parameter, send, title, whole, why) => {
  const more = "another…";
  const select = make("select", { "aria-label": title });
  const typed = make("input", { type: "text", spellcheck: "false", autocapitalize: "off", placeholder: parameter.wanted, "aria-label": `${title}: another`, hidden: true });
  const row = make("label", { class: "plate", "data-name": parameter.name, title: parameter.help }, make("span", {}, title), select, typed);
  let target = "";
  const show = () => {
    const own = parameter.offered.includes(target) ? [] : [target];
    select.replaceChildren(...[...parameter.offered, ...own, ...(parameter.open ? [more] : [])].map((one) => make("option", { value: one, selected: one === target }, inWords(one, parameter.name))));
    select.value = target;
  };
  const ask = (asks) => { typed.hidden = !asks; select.hidden = asks; };
  select.addEventListener("change", () => {
    why.show("");
    if (select.value !== more) { send({ set: parameter.name, value: select.value }); return; }
    ask(true);
    typed.value = "";
    typed.focus();
  });
  typed.addEventListener("change", () => { why.show(""); if (typed.value.trim()) send({ set: parameter.name, value: typed.value.trim() }); });
  typed.addEventListener("blur", () => { ask(false); show(); });
  typed.addEventListener("keydown", (event) => {
    if (event.key === "Escape") typed.value = "";
    if (event.key === "Enter" || event.key === "Escape") typed.blur();
  });
  return { node: whole(row), update: (value) => { if (value !== target) { target = value; show(); } }, refuse: (text) => { show(); why.show(text); } };
};

// One parameter of the declaration. `update(value, unit)` shows its target, `refuse(text)` why a value
// was not taken, beside the target that stays.
export const control = (parameter, send) => {
  const title = label(parameter.name.split("/").pop());
  const numeric = parameter.kind === "int" || parameter.kind === "float";
  const help = numeric ? `${parameter.help} (${parameter.wanted})` : parameter.help;
  const why = refusal();
  const whole = (node) => make("div", {}, node, make("p", { class: "hint" }, help), why.node);
  if (numeric) {
    const fader = new Fader({
      name: parameter.name, title, unit: parameter.unit, help, from: rest(parameter),
      format: (unit) => shown(toValue(parameter, unit), parameter.kind),
      changed: (unit) => send.soon({ set: parameter.name, unit }),
      typed: (value) => send({ set: parameter.name, value }),
      reset: () => send({ default: parameter.name }),
    });
    return {
      node: whole(fader.node),
      update: (value, unit) => fader.tell(unit, shown(value, parameter.kind), value !== parameter.default),
      moved: (unit) => fader.ghost(unit),
      refuse: why.show,
    };
  }
  if (parameter.kind === "bool") {
    const button = make("button", { class: "switch", role: "switch", "aria-checked": "false", "aria-label": title,
      onclick: () => send({ set: parameter.name, value: button.getAttribute("aria-checked") !== "true" }) });
    return { node: whole(make("div", { class: "plate", "data-name": parameter.name, title: help }, make("span", {}, title), button)),
      update: (value) => button.setAttribute("aria-checked", String(value)), refuse: why.show };
  }
  if (parameter.offered.length) return choice(parameter, send, title, whole, why);
  const field = make("input", { type: "text", spellcheck: "false", autocapitalize: "off", placeholder: parameter.default || emptyMeans(parameter) });
  let target = "";
  field.setAttribute("aria-label", title);
  field.addEventListener("change", () => { why.show(""); target = field.value; send({ set: parameter.name, value: target }); });
  field.addEventListener("blur", () => { field.value = target; });
  return { node: whole(make("label", { class: "plate", "data-name": parameter.name, title: help }, make("span", {}, title), field)),
    update: (value) => { target = value; if (document.activeElement !== field) field.value = value; },
    refuse: (text) => { field.value = target; why.show(text); } };
};
