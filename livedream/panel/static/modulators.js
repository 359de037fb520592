// What moves by itself: waves and the music, each on a parameter.

import { Fader, grown, label, make, shown } from "./controls.js";

export class Modulators {
  constructor(send, hello) {
    this.send = send; this.hello = hello; this.list = []; this.state = null;
    this.moving = hello.parameters.filter((one) => (one.kind === "int" || one.kind === "float") && !one.button);
    this.rows = make("div", { class: "mods" });
    const [low, high] = hello.limits.bpm;
    this.tempo = new Fader({ name: "tempo", title: "Tempo", unit: "bpm", format: (unit) => shown(low + (high - low) * unit),
      changed: (unit) => send.soon({ bpm: low + (high - low) * unit }), typed: (bpm) => send({ bpm }), reset: () => send({ bpm: 120 }) });
    this.heard = make("div", { class: "bars" });
    this.node = make("div", { class: "page" },
      make("section", {}, make("h2", {}, "Tempo"), make("div", { class: "row", style: "flex-wrap:nowrap" },
        grown(this.tempo.node), make("button", { class: "key", style: "min-width:110px", onclick: () => send({ act: "tap" }) }, "Tap"))),
      make("section", {}, make("h2", {}, "Modulators"), this.rows,
        make("div", { class: "row", style: "margin-top:10px" }, make("button", { class: "chip", onclick: () => this.add() }, "Add a modulator"))),
      this.hearing = make("section", { hidden: true }, make("h2", {}, "Heard"), this.heard));
  }

  add() { this.put([...this.list, { parameter: "hue", depth: 0.1, period_s: 20 }]); }

  put(list) { this.list = list; this.send({ modulators: list }); }

  change(index, part) { this.put(this.list.map((one, other) => (other === index ? { ...one, ...part } : one))); }

  restate(state) {
    const [low, high] = this.hello.limits.bpm;
    if (!this.tempo.held) this.tempo.show((state.bpm - low) / (high - low), shown(state.bpm));
    const text = JSON.stringify(state.modulators);
    if (text === this.text || this.rows.querySelector(":focus, :active")) return;
    this.text = text; this.list = state.modulators;
    this.rows.replaceChildren(...this.list.map((one, index) => this.row(one, index)));
    if (!this.list.length) this.rows.append(make("p", { class: "help" }, "Nothing moves by itself. A modulator lets a wave or the music move a parameter around where you put it."));
  }

  row(one, index) {
    const choose = (name, choices, now) => make("select", { "aria-label": name, onchange: (event) => this.change(index, { [name]: event.target.value }) },
      ...choices.map((choice) => make("option", { value: choice, selected: choice === now }, name === "parameter" ? label(choice) : choice)));
    const number = (name, text, now, step) => make("label", {}, text, make("input", { type: "number", value: now, step, min: 0,
      onchange: (event) => this.change(index, { [name]: Number(event.target.value) }) }));
    const bipolar = (name, title, now) => {
      const fader = new Fader({ name: `${name} ${index}`, title, from: 0.5, format: (unit) => shown(unit * 2 - 1),
        changed: (unit) => this.later(index, { [name]: Math.round((unit * 2 - 1) * 1000) / 1000 }), typed: (value) => this.change(index, { [name]: value }), reset: () => this.change(index, { [name]: 0 }) });
      fader.show((now + 1) / 2, shown(now));
      return fader.node;
    };
    const wave = (one.source ?? "lfo") === "lfo";
    return make("div", { class: "mod" },
      make("div", { class: "row" }, choose("parameter", this.moving.map((p) => p.name), one.parameter), choose("source", this.hello.sources, one.source ?? "lfo"),
        wave ? choose("shape", this.hello.shapes, one.shape ?? "sine") : null,
        wave ? number("period_s", "period, s", one.period_s ?? 8, 0.1) : null, wave ? number("beats", "or beats", one.beats ?? 0, 0.5) : null,
        make("button", { class: "chip", style: "margin-left:auto", "aria-label": "take away", onclick: () => this.put(this.list.filter((_, other) => other !== index)) }, "×")),
      make("div", { class: "faders" }, bipolar("depth", "Depth", one.depth ?? 0.2), bipolar("offset", "Offset", one.offset ?? 0)));
  }

  later(index, part) {
    this.list = this.list.map((one, other) => (other === index ? { ...one, ...part } : one));
    this.send.soon({ modulators: this.list });
  }

  hear(levels) {
    const names = Object.keys(levels ?? {});
    this.hearing.hidden = !names.length;
    this.heard.replaceChildren(...names.flatMap((name) => [make("span", {}, name), make("i", { style: `width:${levels[name] * 100}%` }), make("span", {}, shown(levels[name]))]));
  }
}
