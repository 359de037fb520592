// What is dreamed of: the network, its layers and channels with their pictures, and the mix of them.

import { Fader, make, press, refusal, Sent, shown } from "./controls.js";

const PAGE = 12; // channels shown at once
const MOST = 2;  // weight at a fader's end

// "0.5*eyes:3 + beasts - 0.2*weave" as [{weight, target}]; null for what a fader cannot show.
export const read = (text) => {
  const terms = [];
  const one = /\s*([+-]?)\s*(?:((?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*\*\s*)?(class\s*:\s*"(?:[^"]|"")*"|class\s*:\s*[\w'.-]+|guide\([^)]*\)|[A-Za-z0-9_](?:[\w./-]*\w)?(?:\s*:\s*\d[\d,\s-]*\d|\s*:\s*\d)?)/gy;
  while (one.lastIndex < text.trimEnd().length) {
    const found = one.exec(text);
    if (!found) return null;
    const weight = Number(found[2] ?? 1) * (found[1] === "-" ? -1 : 1);
    terms.push({ weight, target: found[3].trim() });
  }
  return terms;
};

export const write = (terms) =>
  terms.map(({ weight, target }, index) => {
    const size = Math.abs(weight);
    const sign = weight < 0 ? (index ? " - " : "-") : index ? " + " : "";
    return sign + (size === 1 ? "" : `${Number(size.toFixed(3))}*`) + target;
  }).join("");

export class Motifs {
  constructor(send, hello) {
    this.send = send; this.objective = this.had = this.prompt = ""; this.sent = new Sent(""); this.state = null; this.layer = null; this.first = 0; this.pictures = new Map(); this.faders = [];
    this.own = Object.fromEntries(hello.networks.map((one) => [one.name, one.objective]));
    const automatic = { name: "", summary: "dreamnet, or dreamnet+dreamnet-things in turns for a prompt of words that both know; weights of your own, if the show was started with some" };
    this.networks = make("div", { class: "row" }, ...[automatic, ...hello.networks].map(({ name, summary }) =>
      make("button", { class: "chip", "data-network": name, title: summary, onclick: () => send({ set: "network", value: name }) },
        name || "automatic", make("small", { hidden: true }, "dreams"))));
    this.beside = make("div", { class: "row after" });
    this.mix = make("div", { class: "faders" });
    this.text = make("input", { class: "field", type: "text", spellcheck: "false", autocapitalize: "off", "aria-label": "objective as text" });
    this.text.addEventListener("change", () => { this.why.show(""); this.set(this.text.value); });
    this.text.addEventListener("blur", () => { this.text.value = this.objective; });
    this.why = refusal();
    this.layers = make("div", { class: "cards" });
    this.channels = make("div", {});
    this.node = make("div", { class: "page" },
      make("section", {}, make("h2", {}, "Network"), this.networks, this.beside),
      make("section", {}, make("h2", {}, "Objective"), this.mix, make("div", { class: "row after" }, this.text), this.why.node),
      make("section", {}, make("h2", {}, "Layers"), this.layers), this.channels);
  }

  // What is set next is set on top of it, whether the show has answered or not.
  set(text, send = this.send) {
    this.objective = text;
    this.sent.add(text);
    send({ set: "objective", value: text });
  }

  // While a prompt is dreamed, no layer is.
  prompted(prompt) {
    this.prompt = prompt;
    this.drawMix();
  }

  terms() { return this.prompt ? null : read(this.objective || this.own[this.state?.network] || ""); }

  update(objective) {
    this.had = objective;
    if (this.sent.older(objective)) return;
    this.objective = objective;
    this.drawMix();
  }

  // What is dreamed stays; what was entered goes.
  refuse(text) {
    this.objective = this.text.value = this.had;
    this.sent = new Sent(this.had);
    this.drawMix();
    this.why.show(text);
  }

  drawn(motif, there) {
    const image = this.pictures.get(motif);
    if (there && image) image.src = `/motif/${motif}.jpg?${Date.now()}`;
    else image?.parentNode.classList.add("none");
  }

  // Empty, and turning, until it is drawn; the server says when.
  picture(motif, mark) {
    const image = make("img", { alt: "", loading: "lazy", src: `/motif/${motif}.jpg?${mark}` });
    const frame = make("div", { class: "blank drawing" }, image);
    image.addEventListener("load", () => frame.classList.remove("drawing"));
    this.pictures.set(motif, image);
    return frame;
  }

  restate(state) {
    const same = this.state && this.state.network === state.network && this.state.layers.length === state.layers.length;
    this.state = state;
    const [first, second = ""] = state.named.split("+"), dreaming = state.dreaming.split("+");
    for (const chip of this.networks.children) {
      const { network } = chip.dataset;
      chip.setAttribute("aria-pressed", String(network === first));
      chip.querySelector("small").hidden = !dreaming.includes(network) || network === first || network === second;
    }
    const others = Object.keys(this.own).filter((name) => name !== first);
    this.beside.hidden = !(first in this.own);
    this.beside.replaceChildren(make("span", { class: "place" }, "in turns with"), ...["", ...others].map((name) =>
      make("button", { class: "chip", "aria-pressed": String(name === second), onclick: () => this.send({ set: "network", value: name ? `${first}+${name}` : first }) }, name || "none")));
    if (same) { if (this.prompt) this.drawMix(); return; }
    this.layer = null; this.pictures.clear();
    this.layers.replaceChildren(...state.layers.map((layer) => this.card(layer.name, layer.note, layer, layer.name,
      make("button", { class: "open", type: "button", onclick: () => this.open(layer) }, `${layer.channels} channels`))));
    this.channels.replaceChildren();
    this.drawMix();
  }

  card(target, note, { network, mark }, motif, more = null) {
    return make("div", { class: "card motif", "data-target": target },
      make("button", { class: "pick", type: "button", "aria-label": `dream ${target}`, onclick: () => this.set(target) },
        this.picture(`${network}/${motif}`, mark), make("div", { class: "title" }, target, note ? make("small", {}, note) : "")),
      make("button", { class: "corner", type: "button", "aria-label": `add ${target} to the dream`, title: "add to the dream", onclick: () => this.add(target) }, "+"), more);
  }

  add(target) {
    const terms = this.terms();
    if (terms?.some((term) => term.target === target)) return;
    if (terms) this.set(write([...terms, { weight: 0.5, target }]));
    else this.set(this.prompt ? target : `${this.objective} + 0.5*${target}`);
  }

  open(layer, first = 0) {
    this.layer = layer; this.first = first;
    const last = Math.min(layer.channels, first + PAGE);
    const cards = [];
    for (let number = first; number < last; number++) {
      cards.push(this.card(`${layer.name}:${number}`, "", layer, `${layer.name}:${number}`));
    }
    const turn = (to, text) => make("button", { class: "chip", disabled: to < 0 || to >= layer.channels, onclick: () => this.open(layer, to) }, text);
    const page = `${first / PAGE + 1} of ${Math.ceil(layer.channels / PAGE)}`;
    this.channels.replaceChildren(make("h2", {}, `Channels ${first} to ${last - 1} of ${layer.name}`),
      make("div", { class: "cards" }, ...cards),
      make("div", { class: "row after" }, turn(first - PAGE, "Previous"), make("span", { class: "place" }, page), turn(first + PAGE, "Next"),
        make("button", { class: "chip", onclick: () => { this.layer = null; this.channels.replaceChildren(); } }, "Close")));
    this.mark();
    this.channels.scrollIntoView({ block: "nearest" });
  }

  mark() {
    const targets = new Set((this.terms() ?? []).map((term) => term.target));
    for (const card of this.node.querySelectorAll(".card")) press(card, targets.has(card.dataset.target));
  }

  // A term's weight as a fader, while the terms stay the same; new faders when they do not.
  drawMix() {
    if (document.activeElement !== this.text) this.text.value = this.objective;
    this.text.placeholder = this.own[this.state?.network] || "the network's own";
    const terms = this.terms();
    const key = terms?.map((term) => term.target).join("|") ?? "";
    if (terms && key === this.key) {
      terms.forEach((term, index) => this.tell(index, term.weight));
    } else {
      this.key = key;
      this.faders = (terms ?? []).map((term, index) => new Fader({
        name: `term ${term.target}`, title: term.target, from: 0.5, format: (unit) => shown((unit * 2 - 1) * MOST),
        changed: (unit) => this.weigh(index, (unit * 2 - 1) * MOST), typed: (value) => this.weigh(index, value), reset: () => this.weigh(index, 1),
      }));
      this.mix.replaceChildren(...this.faders.map((fader, index) => make("div", { class: "pair" }, fader.node,
        make("button", { class: "chip cross", "aria-label": `remove ${terms[index].target}`, title: "remove", disabled: terms.length < 2,
          onclick: () => this.set(write(this.terms().filter((_, other) => other !== index))) }, "×"))));
      (terms ?? []).forEach((term, index) => this.tell(index, term.weight));
    }
    if (!terms) this.mix.replaceChildren(make("p", { class: "help" }, this.prompt ? `The prompt “${this.prompt}” is dreamed${this.state && this.state.dreaming !== this.state.network ? ` by ${this.state.dreaming}` : ""}; what is chosen here takes its place.` : "This objective is more than a sum of layers: edit it as text below."));
    this.mark();
  }

  tell(index, weight) { this.faders[index].tell(Math.min(1, Math.max(0, (weight / MOST + 1) / 2)), shown(weight)); }

  weigh(index, weight) {
    const terms = this.terms();
    if (!terms?.[index]) return;
    terms[index].weight = Math.round(weight * 100) / 100;
    if (terms.every((term) => term.weight === 0)) return;
    this.set(write(terms), this.send.soon);
  }
}
