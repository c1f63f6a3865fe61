// The part of d3 5 and of jQuery that bertviz's two views use, with the same results (tests/architecture/test_bertview.py
// compares what is drawn): selections with data, ten colours, a lighter colour; elements found, filled and listened to.
const d3 = (() => {
  const SVG = "http://www.w3.org/2000/svg";
  const value = (given, node, i) => (typeof given === "function" ? given.call(node, node.__data__, i) : given);

  // `groups` are lists of nodes, one for each of `parents`; what data have no node yet waits in `fresh`.
  class Selection {
    constructor(groups, parents, fresh = []) { Object.assign(this, {groups, parents, fresh}); }
    each(act) {
      for (const group of this.groups) group.forEach((node, i) => node && act(node, i));
      return this;
    }
    attr(name, given) {
      return this.each((node, i) => {
        const now = value(given, node, i);
        if (now == null) node.removeAttribute(name); else node.setAttribute(name, now);
      });
    }
    style(name, given) { return this.each((node, i) => node.style.setProperty(name, value(given, node, i))); }
    text(given) { return this.each((node, i) => { node.textContent = value(given, node, i); }); }
    classed(name, on) { return this.each(node => node.classList.toggle(name, on)); }
    on(type, act) { return this.each((node, i) => { node["on" + type] = () => act.call(node, node.__data__, i); }); }
    remove() { return this.each(node => node.remove()); }
    map(make) {
      const groups = this.groups.map(group => group.map((node, i) => {
        const made = node && make(node, i);
        if (made && "__data__" in node) made.__data__ = node.__data__;
        return made;
      }));
      return new Selection(groups, this.parents);
    }
    select(what) { return this.map(node => node.querySelector(what)); }
    append(name) {
      const element = () => document.createElementNS(SVG, name.replace("svg:", ""));
      return this.map(node => (node.waits ? node.parent : node).appendChild(element()));
    }
    selectAll(what) {
      const parents = this.groups.flat().filter(Boolean);
      return new Selection(parents.map(node => [...node.querySelectorAll(what)]), parents);
    }
    data(given) {
      const fresh = this.groups.map((group, g) => {
        const parent = this.parents[g], all = [...value(given, parent, g)];
        group.forEach((node, i) => { if (i < all.length) node.__data__ = all[i]; });
        return all.map((__data__, i) => (i < group.length ? null : {waits: true, parent, __data__}));
      });
      return new Selection(this.groups, this.parents, fresh);
    }
    enter() { return new Selection(this.fresh, this.parents); }
  }

  const hsl = color => {
    const [r, g, b] = [1, 3, 5].map(i => parseInt(color.slice(i, i + 2), 16) / 255);
    const low = Math.min(r, g, b), high = Math.max(r, g, b), span = high - low, l = (low + high) / 2;
    const turn = !span ? 0 : high === r ? (g - b) / span + (g < b ? 6 : 0) : high === g ? (b - r) / span + 2 : (r - g) / span + 4;
    return {
      l, s: span ? span / (l < 0.5 ? high + low : 2 - high - low) : 0,
      toString() {
        const s = span ? this.s : 0;  // grey stays grey
        const m2 = this.l + (this.l < 0.5 ? this.l : 1 - this.l) * s, m1 = 2 * this.l - m2;
        const part = at => {
          const h = (turn * 60 + at + 360) % 360;
          const c = h < 60 ? m1 + (m2 - m1) * h / 60 : h < 180 ? m2 : h < 240 ? m1 + (m2 - m1) * (240 - h) / 60 : m1;
          return Math.max(0, Math.min(255, Math.round(c * 255) || 0));
        };
        return `rgb(${part(120)}, ${part(0)}, ${part(240)})`;
      },
    };
  };

  return {
    hsl,
    select: what => new Selection([[typeof what === "string" ? document.querySelector(what) : what]], [document]),
    schemeCategory10: ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"],
    scaleOrdinal: range => {
      const seen = [];
      return name => {
        if (!seen.includes(name)) seen.push(name);
        return range[seen.indexOf(name) % range.length];
      };
    },
  };
})();

const jQuery = what => {
  const node = what.startsWith("<") ? document.createElement(what.match(/\w+/)[0]) : document.querySelector(what);
  const found = act => (...given) => { if (node) act(...given); return made; };
  const made = {
    node,
    append: found(other => node.append(other.node)),
    attr: found((name, given) => node.setAttribute(name, given)),
    change: found(() => node.dispatchEvent(new Event("change"))),
    empty: found(() => node.replaceChildren()),
    on: found((type, act) => node.addEventListener(type, act)),
    text: found(given => { node.textContent = given; }),
    val: found(given => { node.value = given; }),
  };
  return made;
};
