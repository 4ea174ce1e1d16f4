// Shared by several sections: the theme, tips on charts, panels, sortable tables. Without scripts, all panels show.
"use strict";
{
  const root = document.documentElement;
  const theme = document.getElementById("theme");
  const dark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const name = () => { theme.textContent = dark() ? "Light" : "Dark"; };
  theme.hidden = false;
  name();
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; name(); });

  // The current section is marked in the navigation, and its group shows its sections.
  const sections = [...document.querySelectorAll("main > section")];
  const nav = document.querySelector("nav"), links = [...nav.querySelectorAll("a")];
  let tabbed = null;  // the group that the keyboard is at
  const mark = () => {
    const edge = nav.getBoundingClientRect().bottom + 60;
    const atEnd = innerHeight + scrollY >= root.scrollHeight - 2;
    const now = atEnd ? sections.at(-1) : sections.findLast(section => section.getBoundingClientRect().top <= edge) ?? sections[0];
    for (const link of links) {
      const here = link.dataset.group ? link.dataset.group === now.dataset.group : link.hash === `#${now.id}`;
      if (here) link.setAttribute("aria-current", "location");
      else link.removeAttribute("aria-current");
    }
    for (const parts of nav.querySelectorAll("[data-parts]")) parts.hidden = parts.dataset.parts !== (tabbed ?? now.dataset.group);
  };
  addEventListener("scroll", mark, { passive: true });
  addEventListener("resize", mark);
  nav.addEventListener("focusin", ({ target }) => {
    const group = target.dataset.group ?? target.closest("[data-parts]")?.dataset.parts ?? null;
    tabbed = target.matches(":focus-visible") ? group : null;
    mark();
  });
  nav.addEventListener("focusout", ({ relatedTarget }) => {
    if (nav.contains(relatedTarget)) return;
    tabbed = null;
    mark();
  });
  mark();

  // A link to a folded section opens it.
  const unfold = () => {
    const fold = document.getElementById(location.hash.slice(1))?.querySelector(":scope > details.whole");
    if (fold) fold.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();

  const tip = document.getElementById("tip");
  const point = event => {
    const mark = event.target.closest?.("[data-tip]");
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.dataset.tip;
    const { clientX: x, clientY: y } = event;
    tip.style.left = `${Math.min(x + 14, innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${y > innerHeight - 80 ? y - tip.offsetHeight - 14 : y + 18}px`;
  };
  addEventListener("pointermove", point);
  addEventListener("pointerdown", point);  // a tap does not move the pointer

  for (const group of document.querySelectorAll("[data-views]")) {
    const show = () => {
      const chosen = `${group.dataset.views}/${group.querySelector("input:checked").value}`;
      for (const panel of document.querySelectorAll(`[data-panel^="${group.dataset.views}/"]`)) panel.hidden = panel.dataset.panel !== chosen;
    };
    group.addEventListener("change", show);
    show();
  }

  // <table class="sortable">: buttons in the head; cells are sorted by their data-value, else by their text.
  const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const rows = [...table.tBodies[0].rows];
        const numbers = rows.every(row => value(row, column) === "" || !isNaN(value(row, column)));
        const upward = head.ariaSort ? head.ariaSort !== "ascending" : !numbers;
        rows.sort((one, other) => {
          const [a, b] = [value(one, column), value(other, column)];
          if (numbers && (a === "" || b === "")) return (a === "") - (b === "");  // absent values stay last
          return (numbers ? a - b : a.localeCompare(b)) * (upward ? 1 : -1);
        });
        for (const other of heads) other.removeAttribute("aria-sort");
        head.ariaSort = upward ? "ascending" : "descending";
        table.tBodies[0].append(...rows);
      });
    });
  }
}
