"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const root = document.documentElement;
  const SVG = "http://www.w3.org/2000/svg";
  const PAGE = 50;
  root.classList.add("on");

  /* Elements are made with text alone, never from markup. */
  function make(tag, attributes, ...children) {
    const inSvg = ["svg", "g", "rect", "path", "text", "title", "desc"].includes(tag);
    const element = inSvg ? document.createElementNS(SVG, tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }
  const many = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
  const by = new Intl.Collator("en", { numeric: true }).compare;

  // -- theme -----------------------------------------------------------------

  const dark = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  const isDark = () => (chosen === null ? dark.matches : chosen);
  // The label says what a click does.
  const told = () => { $("theme").textContent = isDark() ? "Light theme" : "Dark theme"; };
  $("theme").addEventListener("click", () => {
    chosen = !isDark();
    root.dataset.theme = chosen ? "dark" : "light";
    told();
  });
  dark.addEventListener("change", told);
  told();

  // -- what the address says --------------------------------------------------

  /* The run and the filters, after the number sign: #r12;code=RS105;words=timeout. */
  const FILTERS = ["words", "code", "severity", "find", "move", "end", "from", "to", "path"];
  const value = (id) => ($(id) ? $(id).value : "");
  let address = "";
  function remember(run) {
    if (run !== undefined) address = run;
    const set = FILTERS.flatMap((id) => (value(id) ? [`${id}=${encodeURIComponent(value(id))}`] : []));
    const words = [address, ...set].filter(Boolean).join(";");
    history.replaceState(null, "", words ? `#${words}` : location.pathname + location.search);
  }
  function decoded(text) {
    try { return decodeURIComponent(text); } catch { return text; }
  }
  function recall() {
    const [run, ...set] = /^#(r\d+|f\d+)?(;|$)|=/.test(location.hash) ? location.hash.slice(1).split(";") : [""];
    for (const each of run.includes("=") ? [run, ...set] : set) {
      const [id, value] = [each.slice(0, each.indexOf("=")), decoded(each.slice(each.indexOf("=") + 1))];
      if (FILTERS.includes(id) && $(id)) $(id).value = value;
    }
    if (/^[rf]\d+$/.test(run)) address = run;
  }

  const named = (statuses) => statuses.map((status) => data.statuses[status]).join(" → ");
  const pairs = data.pairs.map(named);
  const ways = data.ways.map(([statuses]) => named(statuses));
  for (const [id, texts] of [["move", pairs], ["end", data.ends.map((status) => data.statuses[status])]]) {
    if ($(id)) $(id).append(...texts.map((text) => make("option", {}, text)));
  }
  recall();

  // -- findings --------------------------------------------------------------

  const list = $("list");
  const hints = new Map([...document.querySelectorAll(".hints li")].map((li) => [li.id, li.textContent]));
  const rows = list === null ? [] : [...list.tBodies[0].rows].map((row, order) => {
    const cells = [...row.cells].map((cell) => cell.textContent);
    const hint = hints.get(`h${cells[5]}`) || "";
    return { row, order, cells, hint, words: [...cells.slice(0, 5), hint].join("\n").toLowerCase(), drawn: false };
  });
  let shown = rows;
  let most = PAGE;
  let sorted = { column: -1, down: false };
  const more = make("button", { type: "button", class: "more js" }, "Show more");

  function draw(found) {
    if (!found.drawn) {
      found.drawn = true;
      const [, , run, what] = found.row.cells;
      if (found.cells[2]) {
        const to = found.row.dataset.r === undefined ? `f${found.order}` : `r${found.row.dataset.r}`;
        run.replaceChildren(make("a", { href: `#${to}` }, found.cells[2]));
      }
      const raw = data.raw[found.order];
      if (raw) {
        const where = found.row.cells[4];
        where.replaceChildren(make("details", {}, make("summary", {}, found.cells[4]), make("pre", {}, raw)));
      }
      if (found.hint) what.append(make("small", {}, found.hint));
    }
    return found.row;
  }

  function show() {
    list.tBodies[0].replaceChildren(...shown.slice(0, most).map(draw));
    const now = Math.min(most, shown.length);
    more.hidden = now === shown.length;
    more.textContent = `Show ${Math.min(10 * PAGE, shown.length - now)} more`;
    const some = shown.length === rows.length ? "" : ` match, of ${rows.length.toLocaleString("en")}`;
    $("told").textContent = `${many(shown.length, "finding")}${some}${now < shown.length ? `; ${now} shown` : ""}`;
  }

  /* The runs that the filters leave decide for findings that name no move of their own. */
  function filterFindings(fits) {
    const words = value("words").toLowerCase().split(/\s+/).filter(Boolean);
    const [code, severity, move] = ["code", "severity", "move"].map(value);
    shown = rows.filter((each) =>
      (!code || each.cells[0] === code)
      && (!severity || each.cells[1] === severity)
      && (!move || pairs[each.row.dataset.m] === move)
      && words.every((word) => each.words.includes(word))
      && fits(each));
    sort();
    most = PAGE;
    show();
  }

  /* A cell that a spreadsheet would calculate is made text. */
  function cell(text) {
    const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return `"${harmless.replaceAll('"', '""')}"`;
  }

  function save() {
    const heads = ["code", "severity", "run", "message", "where", "hint"];
    const lines = shown.map((each) => [...each.cells.slice(0, 5), each.hint].map(cell).join(","));
    const file = new Blob([[heads.join(","), ...lines, ""].join("\r\n")], { type: "text/csv" });
    const link = make("a", { href: URL.createObjectURL(file), download: "findings.csv" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  function sort() {
    const { column, down } = sorted;
    const order = column < 0
      ? (a, b) => a.order - b.order
      : (a, b) => by(a.cells[column], b.cells[column]) * (down ? -1 : 1) || a.order - b.order;
    shown.sort(order);
  }

  function sortBy(column) {
    const heads = [...list.tHead.rows[0].cells];
    if (sorted.column !== column) sorted = { column, down: false };
    else if (!sorted.down) sorted = { column, down: true };
    else sorted = { column: -1, down: false };
    heads.forEach((head, at) => head.setAttribute("aria-sort",
      at !== sorted.column ? "none" : sorted.down ? "descending" : "ascending"));
    sort();
    show();
  }

  if (list !== null) {
    [...list.tHead.rows[0].cells].slice(0, 5).forEach((head, column) => {
      const button = make("button", { type: "button" }, head.textContent);
      button.addEventListener("click", () => sortBy(column));
      head.replaceChildren(button);
      head.setAttribute("aria-sort", "none");
    });
    list.closest(".wide").after(more);
    more.addEventListener("click", () => { most += 10 * PAGE; show(); });
    const form = $("words").form;
    form.addEventListener("input", () => refresh());
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(refresh));
    $("csv").addEventListener("click", save);
    shown = [...rows];
    show();
  }

  // -- one run ---------------------------------------------------------------

  /* As packed: status, seconds, line, file, status before, times seen, until, verdict. */
  const steps = (run) => run[2].map((packed) => {
    const [status, since, line = 0, file = -1, from = -1, times = 1, until = since, verdict = 0] = packed;
    return { status, since, line, file, from, times, until, verdict };
  });

  function short(number) {
    return number < 9.95 ? number.toFixed(1).replace(/\.0$/, "") : Math.round(number).toLocaleString("en");
  }
  function howLong(seconds) {
    if (seconds === 0) return "0 s";
    if (seconds < 0) return `−${howLong(-seconds)}`;
    const units = [[1e-3, 1e-6, "µs"], [1, 1e-3, "ms"], [100, 1, "s"], [6e3, 60, "min"], [172800, 3600, "h"]];
    const [, unit, name] = units.find(([below]) => seconds < below) || [0, 86400, "d"];
    return `${short(seconds / unit)} ${name}`;
  }
  function moment(seconds) {
    const date = new Date(seconds * 1000);
    return Number.isNaN(date.getTime()) ? `${seconds} s`
      : date.toISOString().replace("T", " ").replace("Z", "");
  }

  const findingsOf = (run, place) =>
    rows.filter((each) => each.cells[2] === run && (place === null || each.row.dataset.r === String(place)));

  const wide = () => Math.max(260, $("line").clientWidth || 600);

  /* Statuses over time: a lane each, in the order of the table. */
  function lanes(all) {
    const timed = data.ordered && all.length > 0 && all.every((step) => step.since !== null)
      && all[all.length - 1].until > 0 && all.every((step, at) => at === 0 || step.since >= all[at - 1].since);
    const end = timed ? all[all.length - 1].until : all.length;
    const start = (at) => (timed ? all[at].since : at);
    const stop = (at) => (at + 1 < all.length ? start(at + 1) : timed ? all[at].until : at + 1);
    const used = [...new Set(all.map((step) => step.status))].sort((a, b) => a - b);
    const width = wide();
    const laneHigh = 38;
    const high = used.length * laneHigh + 30;
    const room = width - 20;
    const x = (value) => 4 + (room * value) / (end || 1);
    const svg = make("svg", { viewBox: `0 0 ${width} ${high}`, height: high, role: "img" });
    svg.append(make("title", {}, timed ? "Statuses over time" : "Statuses in order"));
    svg.append(make("desc", {}, "The same as in the table of steps below."));
    used.forEach((status, lane) => {
      const y = lane * laneHigh;
      svg.append(make("text", { class: "start", x: 4, y: y + 13 }, data.statuses[status]));
      svg.append(make("path", { class: "lane", d: `M4 ${y + 26.5}H${width - 16}` }));
    });
    all.forEach((step, at) => {
      const y = used.indexOf(step.status) * laneHigh + 19;
      const left = x(start(at));
      const bar = make("rect", {
        class: `k-${data.kinds[step.status]}`, x: left.toFixed(2), y, height: 15, rx: 2,
        width: Math.max(3, x(stop(at)) - left - 1).toFixed(2),
      });
      const lasted = timed && at + 1 < all.length ? `, ${howLong(stop(at) - start(at))}` : "";
      bar.append(make("title", {}, `${at + 1}. ${data.statuses[step.status]}${lasted}`));
      svg.append(bar);
      if (step.verdict === 1) {
        svg.append(make("path", { class: "flag", d: `M${left.toFixed(2)} ${y - 4}v23` }));
        svg.append(make("text", { class: "wrong", x: (left > width - 60 ? left - 46 : left + 5).toFixed(2), y: y - 5 }, "illegal"));
      }
    });
    scale(svg, timed, end, x, high, width);
    return svg;
  }

  function scale(svg, timed, end, x, high, width) {
    const foot = high - 22;
    svg.append(make("path", { class: "axis", d: `M4 ${foot + 0.5}H${width - 16}` }));
    const ticks = timed ? nice(end, width / 110) : [];
    for (const tick of ticks) {
      svg.append(make("path", { class: "axis", d: `M${x(tick).toFixed(2)} ${foot}v4` }));
      const side = tick === 0 ? "start" : x(tick) > width - 50 ? "end" : "mid";
      svg.append(make("text", { class: side, x: x(tick).toFixed(2), y: foot + 17 }, tick === 0 ? "0" : `+${howLong(tick)}`));
    }
    if (!timed) {
      const why = data.ordered ? "in order; not every time is known" : "as they came, in no order";
      svg.append(make("text", { class: "start", x: 4, y: foot + 17 }, why));
    }
  }

  /* Steps of a scale that people count in. */
  const EASY = [0.001, 0.01, 0.1, 1, 10].flatMap((n) => [n, 2 * n, 5 * n]).filter((n) => n < 20)
    .concat([15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200], [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].map((n) => n * 86400));

  function nice(end, most) {
    const step = EASY.find((each) => end / each <= most) || end / Math.max(1, Math.floor(most));
    const ticks = [];
    for (let n = 0; n * step <= end * 1.0001 && n < 40; n += 1) ticks.push(n * step);
    return ticks;
  }

  function stepsTable(run, all) {
    const caption = `${many(all.length, "step")} of ${run[0]}${run[3] ? `; ${many(run[3], "more step")} not kept` : ""}`;
    const table = make("table", { class: "cards" }, make("caption", {}, caption));
    const heads = [["#", "n"], ["Status"], ["At (UTC)"], ["Since the first", "n"], ["Lasted", "n"], ["Where"], ["Remarks"]];
    table.append(make("thead", {}, make("tr", {}, ...heads.map(([name, kind]) =>
      make("th", kind ? { scope: "col", class: kind } : { scope: "col" }, name)))));
    const body = make("tbody");
    all.forEach((step, at) => {
      const next = all[at + 1];
      const timed = step.since !== null;
      const lasted = data.ordered && timed && next && next.since !== null ? howLong(next.since - step.since) : "";
      const file = step.file < 0 ? "" : data.files[step.file];
      const where = step.line ? (file ? `${file}:${step.line}` : `observation ${step.line}`) : file;
      const remarks = [
        step.verdict === 1 ? "illegal" : step.verdict === 2 ? "moves between were not seen" : "",
        step.from >= 0 ? `recorded as from ${data.statuses[step.from]}` : "",
        step.times > 1 ? `seen ${step.times} times` : "",
      ].filter(Boolean).join("; ");
      body.append(make("tr", step.verdict === 1 ? { class: "bad" } : {},
        make("td", { class: "n" }, String(at + 1)),
        ...[
          ["", make("code", {}, data.statuses[step.status])],
          ["at", timed ? moment(run[1] + step.since) : ""],
          ["n", timed && at ? `${step.since < 0 ? "" : "+"}${howLong(step.since)}` : ""],
          ["n", lasted],
          ["", make("code", {}, where)],
          ["", remarks],
        ].map(([kind, content], place) => make("td", { class: kind, "data-h": heads[place + 1][0] }, content))));
    });
    table.append(body);
    return make("div", { class: "wide", role: "region", tabindex: "0", "aria-label": "Steps" }, table);
  }

  function foundList(found) {
    if (!found.length) return [];
    const lines = found.slice(0, 20).map((each) =>
      make("li", {}, make("b", { class: each.cells[1] === "error" ? "e" : "" }, `${each.cells[0]} `),
        each.cells[3] + (each.hint ? ` (${each.hint})` : "")));
    if (found.length > 20) lines.push(make("li", {}, `and ${found.length - 20} more`));
    return [make("ul", { class: "said" }, ...lines)];
  }

  // -- its way through the machine -------------------------------------------

  /* One picture a width, of which the style sheet shows one: each gets the way. */
  const way = $("way");
  const pictures = way === null ? [] : [...way.querySelectorAll("svg")];
  const part = (svg, key) => svg.querySelector(`[data-key=${key}]`);

  function clearWay() {
    for (const old of way.querySelectorAll(".step,.jump")) old.remove();
    for (const each of way.querySelectorAll(".arrow,.box")) each.classList.remove("onway", "last", "off");
  }

  /* The moves of a run, in order; a recorded one begins where it says. */
  function moves(all) {
    const made = [];
    let before = null;
    for (const step of all) {
      if (step.from >= 0) {
        if (before !== null && data.ordered && before !== step.from) made.push([before, step.from, 2]);
        before = step.from;
        made.push([before, step.status, step.verdict]);
      } else if (before !== null && data.ordered) made.push([before, step.status, step.verdict]);
      before = step.status;
    }
    return made;
  }

  /* From attributes: a picture that is not shown has no boxes of its own. */
  function place(rect) {
    const [x, y, width, height] = ["x", "y", "width", "height"].map((name) => Number(rect.getAttribute(name)));
    return { x, y, width, height };
  }
  function placeOf(text) {
    const width = 7 * text.textContent.length;
    const x = Number(text.getAttribute("x")) - (text.classList.contains("start") ? 0 : width / 2);
    return { x, y: Number(text.getAttribute("y")) - 11, width, height: 14 };
  }

  function middle(svg, status) {
    const box = place(part(svg, `b${data.boxes.indexOf(status)}`).querySelector("rect"));
    return [box.x + box.width / 2, box.y + box.height / 2];
  }

  function jump(svg, from, to, verdict) {
    const [[x0, y0], [x1, y1]] = [middle(svg, from), middle(svg, to)];
    const lift = 30 + Math.abs(x1 - x0) * 0.12;
    // In a column of statuses the way goes around those between.
    const over = Math.abs(x1 - x0) < 1
      ? `M${x0} ${y0}Q${x0 + 90} ${(y0 + y1) / 2} ${x1} ${y1}`
      : `M${x0} ${y0 - 16}Q${(x0 + x1) / 2} ${Math.min(y0, y1) - 16 - lift} ${x1} ${y1 - 16}`;
    const path = make("path", { class: `jump ${["made", "wrong", "gap"][verdict]}`, d: over });
    svg.append(path);
    return path;
  }

  /* On the arrow, and where there is room on none of the labels and badges before. */
  function badge(svg, path, numbers, wrong, taken) {
    const length = path.getTotalLength();
    const words = numbers.slice(0, 3).join(",") + (numbers.length > 3 ? "…" : "");
    const width = 11 + 6.7 * words.length;
    const around = (part) => {
      const { x, y } = path.getPointAtLength(length * part);
      return { x: x - width / 2, y: y - 9, width, height: 18 };
    };
    const free = (box) => taken.every((other) =>
      box.x > other.x + other.width || box.x + box.width < other.x
      || box.y > other.y + other.height || box.y + box.height < other.y);
    const box = [0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.12, 0.88].map(around).find(free) || around(0.5);
    taken.push(box);
    const g = make("g", { class: wrong ? "step wrong" : "step" });
    g.append(make("rect", { ...box, rx: 9 }));
    g.append(make("text", { x: box.x + width / 2, y: box.y + 13 }, words));
    svg.append(g);
  }

  function showWay(all) {
    clearWay();
    const made = new Map();
    moves(all).forEach(([from, to, verdict], at) => {
      const key = `${from} ${to}`;
      const one = made.get(key) || { from, to, verdict, wrong: verdict === 1, numbers: [] };
      one.numbers.push(at + 1);
      made.set(key, one);
    });
    for (const each of way.querySelectorAll(".arrow,.box")) each.classList.add("off");
    for (const svg of pictures) showWayIn(svg, all, made);
  }

  function showWayIn(svg, all, made) {
    const lit = (element) => { element.classList.remove("off"); element.classList.add("onway"); };
    const seen = new Set(all.flatMap((step) => (step.from < 0 ? [step.status] : [step.from, step.status])));
    data.boxes.forEach((status, at) => { if (seen.has(status)) lit(part(svg, `b${at}`)); });
    const last = data.boxes.indexOf(all[all.length - 1].status);
    if (data.ordered && last >= 0) part(svg, `b${last}`).classList.add("last");
    const drawn = [...made.values()].filter((move) => data.boxes.includes(move.from) && data.boxes.includes(move.to));
    const arrows = new Map(data.arrows.map(([a, b], at) => [`${data.boxes[a]} ${data.boxes[b]}`, part(svg, `a${at}`)]));
    const known = (move) => arrows.get(`${move.from} ${move.to}`);
    drawn.map(known).filter(Boolean).forEach(lit);
    const taken = [
      ...[...svg.querySelectorAll(".arrow.onway text")].map(placeOf),
      ...[...svg.querySelectorAll(".box.onway rect")].map(place),
    ];
    for (const move of drawn) {
      const arrow = known(move);
      const path = arrow ? arrow.querySelector("path") : jump(svg, move.from, move.to, move.verdict);
      badge(svg, path, move.numbers, move.wrong, taken);
    }
    svg.querySelector("desc").textContent = `The path of this run: ${all.map((step) => data.statuses[step.status]).join(", ")}.`;
  }

  // -- choosing a run --------------------------------------------------------

  const counts = new Map();
  for (const each of rows) {
    const place = each.row.dataset.r;
    if (place !== undefined) counts.set(Number(place), (counts.get(Number(place)) || 0) + 1);
  }
  const names = data.runs.map((run, place) => {
    const last = run[2][run[2].length - 1];
    const found = counts.get(place);
    return `${run[0]} · ${data.statuses[last[0]]}${found ? ` · ${many(found, "finding")}` : ""}`;
  });
  let current = -1;

  function matching(number) {
    const kept = data.runs.length;
    if (kept === data.total) return `${many(number, "run")} of ${kept.toLocaleString("en")} match`;
    const others = `This page has the timelines of ${kept.toLocaleString("en")} of ${many(data.total, "run")}`;
    return `${many(number, "run")} match. ${others}; runstate report --keep RUN_ID adds that of any other.`;
  }

  function options() {
    const words = $("find").value.toLowerCase();
    const fitting = names.flatMap((name, place) => (name.toLowerCase().includes(words) && fitsRun(place) ? [place] : []));
    $("pick").replaceChildren(...fitting.map((place) => {
      const option = make("option", { value: place }, names[place]);
      option.selected = place === current;
      return option;
    }));
    if (words || isFiltered()) $("picked").textContent = matching(fitting.length);
    return fitting;
  }

  function choose(place, quietly) {
    current = place;
    const run = data.runs[place];
    const all = steps(run);
    const found = findingsOf(run[0], place);
    $("shown").hidden = false;
    way.hidden = way.previousElementSibling.hidden = false;
    $("line").replaceChildren(lanes(all));
    $("steps").replaceChildren(...foundList(found), stepsTable(run, all));
    showWay(all);
    if ($("pick").value !== String(place)) {
      const listed = () => [...$("pick").options].some((option) => option.value === String(place));
      if (!listed()) { $("find").value = ""; options(); }
      if (!listed()) $("pick").prepend(make("option", { value: place }, names[place]));
      $("pick").value = String(place);
    }
    const at = $("pick").selectedIndex;
    $("back").disabled = at <= 0;
    $("next").disabled = at >= $("pick").options.length - 1;
    const wrong = found.length ? many(found.length, "finding") : "nothing wrong with it";
    $("picked").textContent = `${run[0]}: ${many(all.length, "step")}, ${wrong}`;
    if (!quietly) remember(`r${place}`);
  }

  function lost(order) {
    const each = rows[order];
    $("shown").hidden = false;
    $("line").replaceChildren();
    $("steps").replaceChildren(...foundList(findingsOf(each.cells[2], null)));
    way.hidden = way.previousElementSibling.hidden = true;
    $("picked").textContent = `${each.cells[2]}: its timeline is not among those kept on this page`;
  }

  function follow() {
    const [, kind, number] = /^#([rf])(\d+)(?:;|$)/.exec(location.hash) || [];
    if (kind === "r" && Number(number) < data.runs.length) choose(Number(number), true);
    else if (kind === "f" && Number(number) < rows.length) lost(Number(number));
    else return;
    address = kind + number;
    $("run-heading").focus({ preventScroll: true });
    $("run").scrollIntoView();
  }

  // -- one filter for everything ----------------------------------------------

  const LABELS = { move: "Move", end: "Last status", from: "From", to: "Until", path: "Path", code: "Code", severity: "Severity", words: "Text", find: "Search" };
  const isFiltered = () => ["move", "end", "from", "to", "path", "code"].some(value);

  /* What the filters ask of a run: its moves, its way, its last status and when it was seen. */
  const facts = data.runs.map((run) => {
    const all = steps(run);
    const made = () => new Set(moves(all).map(([from, to]) => named([from, to])));
    return {
      moves: made, way: named(all.map((step) => step.status)), end: data.statuses[all[all.length - 1].status],
      times: all.filter((step) => step.since !== null).map((step) => run[1] + step.since),
    };
  });
  const codes = new Map();
  for (const { row, cells } of rows) {
    if (row.dataset.r !== undefined) codes.set(Number(row.dataset.r), (codes.get(Number(row.dataset.r)) || new Set()).add(cells[0]));
  }
  const seconds = (id) => (value(id) ? Date.parse(`${value(id)}Z`) / 1000 : null);
  function within(times) {
    const [from, to] = [seconds("from"), seconds("to")];
    return (from === null && to === null) || times.some((at) => (from === null || at >= from) && (to === null || at < to));
  }
  function fitsRun(place, timesOf) {
    const run = facts[place];
    const [move, end, path, code] = ["move", "end", "path", "code"].map(value);
    return (!end || run.end === end) && (!path || run.way === path) && within(timesOf || run.times)
      && (!code || (codes.has(place) && codes.get(place).has(code))) && (!move || run.moves().has(move));
  }
  function fitsFinding({ row, cells }) {
    const place = row.dataset.r;
    if (place === undefined) return !["end", "from", "to", "path"].some(value);
    const run = data.runs[place];
    const step = steps(run).find((each) => each.since !== null && each.line && cells[4].endsWith(`${each.line}`)
      && (each.file < 0 || cells[4] === `${data.files[each.file]}:${each.line}`));
    return fitsRun(Number(place), step ? [run[1] + step.since] : undefined);
  }

  const picks = [];
  function pick(id, wanted) {
    $(id).value = value(id) === wanted ? "" : wanted;
    refresh();
  }
  /* A picture's parts and a table's rows can be clicked; the tabulator and enter do the same. */
  function pickable(element, act, isOn) {
    picks.push([element, isOn]);
    element.addEventListener("click", (event) => { if (!event.target.closest("a,summary")) { event.stopPropagation(); act(event); } });
  }
  function pickRow(row, id, wanted) {
    const cell = row.cells[0];
    const button = make("button", { type: "button", class: "pick", "aria-pressed": "false" }, ...cell.childNodes);
    cell.append(button);
    row.classList.add("pickable");
    row.addEventListener("click", (event) => { if (!event.target.closest("a,button,summary")) pick(id, wanted); });
    pickable(button, () => pick(id, wanted), () => value(id) === wanted);
  }
  /* One stop of the tabulator for all parts of a picture; arrow keys lead from one to the next. */
  function pickParts(svg, parts) {
    if (!parts.length) return;
    svg.setAttribute("role", "group");
    parts.forEach(([element, act, isOn], at) => {
      for (const [name, text] of [["role", "button"], ["tabindex", at ? -1 : 0], ["aria-pressed", "false"]]) element.setAttribute(name, text);
      element.classList.add("part");
      pickable(element, act, isOn);
      element.addEventListener("keydown", (event) => {
        const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        const [next] = parts[(at + (by || 0) + parts.length) % parts.length];
        if (event.key === "Enter" || event.key === " ") act(event);
        else if (by) { element.setAttribute("tabindex", -1); next.setAttribute("tabindex", 0); next.focus(); } else return;
        event.preventDefault();
      });
    });
  }

  const inputTime = (at) => { try { return new Date(at * 1000).toISOString().slice(0, 19).replace(/:00$/, ""); } catch { return ""; } };
  const rowsOf = (id) => ($(id) ? [...$(id).tBodies[0].rows] : []);
  const bars = [...document.querySelectorAll("#overview [data-n]")].map((bar) => {
    const begins = Number(bar.dataset.n) * data.period;
    return { bar, begins, range: [inputTime(begins), inputTime(begins + data.period)] };
  });
  const onBar = ({ range }) => value("from") === range[0] && value("to") === range[1];
  function pickBar(each, event) {
    const [from, to] = onBar(each) ? ["", ""] : each.range;
    const wider = event.shiftKey && value("from") && value("to") && from;
    $("from").value = wider && value("from") < from ? value("from") : from;
    $("to").value = wider && value("to") > to ? value("to") : to;
    refresh();
  }
  const drawn = [...document.querySelectorAll("#drawn svg")].map((svg) => ({
    svg, arrows: data.arrows.map((ends, at) => [named(ends.map((box) => data.boxes[box])), part(svg, `a${at}`)]),
  }));

  if ($("only")) {
    for (const { svg, arrows } of drawn) {
      const seen = arrows.filter(([move]) => pairs.includes(move));
      for (const [, arrow] of seen) {
        const reach = arrow.querySelector("path").cloneNode();
        reach.setAttribute("class", "reach");
        arrow.prepend(reach);
      }
      pickParts(svg, seen.map(([move, arrow]) => [arrow, () => pick("move", move), () => value("move") === move]));
    }
    for (const svg of document.querySelectorAll("#overview svg")) {
      pickParts(svg, bars.filter(({ bar }) => svg.contains(bar)).map((each) => [each.bar, (event) => pickBar(each, event), () => onBar(each)]));
    }
    rowsOf("moves").forEach((row, at) => pickRow(row, "move", pairs[at]));
    rowsOf("ways").forEach((row, at) => pickRow(row, "path", ways[at]));
    for (const row of rowsOf("rules")) pickRow(row, "code", row.cells[0].textContent);
    for (const row of [...rowsOf("last"), ...rowsOf("waiting"), ...rowsOf("ended")]) pickRow(row, "end", row.cells[0].textContent);
    $("only").addEventListener("input", () => refresh());
    $("only").addEventListener("submit", (event) => event.preventDefault());
    $("all").addEventListener("click", () => {
      for (const id of FILTERS) if ($(id)) $(id).value = "";
      refresh();
    });
  }

  function showRows() {
    const [move, end, path] = ["move", "end", "path"].map(value);
    let [kinds, runs] = [0, 0];
    rowsOf("ways").forEach((row, at) => {
      const [statuses, many] = data.ways[at];
      const made = statuses.slice(1).map((to, before) => named([statuses[before], to]));
      row.hidden = Boolean((move && !made.includes(move)) || (end && data.statuses[statuses[statuses.length - 1]] !== end) || (path && ways[at] !== path));
      if (!row.hidden) { kinds += 1; runs += many; }
    });
    for (const row of [...rowsOf("stuck"), ...rowsOf("stuck-too")]) {
      const since = Date.parse(row.cells[2].textContent.replace(" UTC", "Z").replace(" ", "T")) / 1000;
      row.hidden = Boolean(end && row.cells[1].textContent !== end) || !within([since]);
    }
    return `${many(kinds, "path")} of ${many(runs, "run")}`;
  }

  function dim() {
    const [move, path, end, code] = ["move", "path", "end", "code"].map(value);
    const on = path ? new Set((data.ways[ways.indexOf(path)] || [[]])[0].flatMap((to, at, all) => (at ? [named([all[at - 1], to])] : []))) : null;
    for (const { arrows } of drawn) {
      for (const [name, arrow] of arrows) arrow.classList.toggle("out", Boolean((move && name !== move) || (on && !on.has(name))));
    }
    for (const { bar, begins } of bars) bar.classList.toggle("out", !within([begins]));
    for (const rect of document.querySelectorAll("#overview rect[data-s]")) {
      const name = rect.dataset.s[0] === "c" ? code : end;
      const own = rect.dataset.s[0] === "c" ? data.codes[rect.dataset.s.slice(1)] : data.statuses[data.ended[rect.dataset.s.slice(1)]];
      rect.classList.toggle("out", Boolean(name && own !== name));
    }
    for (const [element, isOn] of picks) element.setAttribute("aria-pressed", isOn());
  }

  /* How many of all runs began and ended in the periods that are shown. */
  function inPeriod() {
    if (!value("from") && !value("to")) return [];
    const sum = (counts) => counts.reduce((all, [n, times]) => all + (within([n * data.period]) ? times : 0), 0);
    const ends = data.finishes.map(sum).reduce((all, times, at) => all + (!value("end") || data.statuses[data.ended[at]] === value("end") ? times : 0), 0);
    return [`${many(sum(data.begins), "run")} began then, ${ends.toLocaleString("en")} ended`];
  }

  function showChips() {
    const set = Object.keys(LABELS).filter(value);
    $("chips").hidden = !set.length;
    $("chosen").replaceChildren(...set.map((id) => {
      const said = ["from", "to"].includes(id) ? value(id).replace("T", " ") : value(id).slice(0, 120);
      const chip = make("button", { type: "button", title: "Remove this filter" }, `${LABELS[id]}: ${said} ✕`);
      chip.addEventListener("click", () => { $(id).value = ""; refresh(); $("all").focus(); });
      return chip;
    }));
  }

  function refresh(quietly) {
    if (list !== null) filterFindings(fitsFinding);
    const said = [...inPeriod(), many(shown.length, "finding"), `${data.runs.filter((_, place) => fitsRun(place)).length.toLocaleString("en")} of the ${many(data.runs.length, "run")} kept here`, showRows()];
    if (data.runs.length) {
      const fitting = options();
      if (fitting.length && !fitting.includes(current) && quietly !== true) choose(fitting[0]);
    }
    if ($("only")) {
      $("left").textContent = isFiltered() ? `Shown: ${said.join(", ")}.` : "";
      dim();
      showChips();
    }
    if (quietly !== true) remember();
  }

  if (data.runs.length) {
    const fitting = options();
    if (fitting.length || !$("find").value) choose(fitting.length ? fitting[0] : 0, true);
    else $("shown").hidden = true;
    $("find").addEventListener("input", () => {
      const fitting = options();
      if (fitting.length === 1 || (fitting.length && !fitting.includes(current))) choose(fitting[0]);
      if ($("only")) showChips();
      remember();
      $("next").disabled = $("pick").selectedIndex >= fitting.length - 1;
      $("back").disabled = $("pick").selectedIndex <= 0;
    });
    $("pick").addEventListener("change", () => choose(Number($("pick").value)));
    const go = (by) => {
      const option = $("pick").options[$("pick").selectedIndex + by];
      if (option) choose(Number(option.value));
    };
    $("back").addEventListener("click", () => go(-1));
    $("next").addEventListener("click", () => go(1));
    $("find").form.addEventListener("submit", (event) => event.preventDefault());
    let resized = 0;
    addEventListener("resize", () => {
      cancelAnimationFrame(resized);
      resized = requestAnimationFrame(() => { if (current >= 0) $("line").replaceChildren(lanes(steps(data.runs[current]))); });
    });
    addEventListener("hashchange", follow);
    follow();
  }
  refresh(true);
})();
