"use strict";
// The theme, and the filter of the rows. The page's text comes from a corpus that nobody vouches for: it is only ever
// read here (textContent) and shown or hidden; no text is made into markup, and nothing is loaded.
(() => {
  const root = document.documentElement;
  const KEY = "getmore-theme";

  const remembered = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is switched off
    }
  };
  const remember = (theme) => {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // it holds until the page is left
    }
  };
  const apply = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
  };
  apply(remembered()); // before anything is drawn

  const switchThemes = () => {
    const choice = document.getElementById("theme");
    choice.value = root.dataset.theme ?? "system";
    choice.addEventListener("change", () => {
      apply(choice.value);
      remember(choice.value);
    });
    document.getElementById("themes").hidden = false;
  };

  const filterRows = () => {
    const form = document.getElementById("filter");
    const told = document.getElementById("found");
    const groups = [...document.querySelectorAll("section.group")].map((section) => ({
      section,
      none: section.querySelector(".none"),
      rows: [...section.querySelectorAll("article")].map((row) => ({
        row,
        domain: row.dataset.domain,
        text: row.textContent.toLowerCase(),
      })),
    }));
    const all = groups.reduce((count, { rows }) => count + rows.length, 0);
    const update = () => {
      const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
      const { value: domain } = form.elements.domain;
      const { value: which } = form.elements.which;
      const filtered = words.length > 0 || domain !== "" || which !== "";
      let left = 0;
      for (const { section, none, rows } of groups) {
        section.hidden = which !== "" && which !== section.id;
        if (filtered) section.querySelector("details.fold").open = true;
        let here = 0;
        for (const { row, domain: own, text } of rows) {
          const met = (domain === "" || domain === own) && words.every((word) => text.includes(word));
          row.hidden = !met;
          here += met;
        }
        none.hidden = here > 0;
        left += section.hidden ? 0 : here;
      }
      told.textContent = `${left} of ${all} rows shown`;
    };
    form.addEventListener("input", update);
    form.addEventListener("reset", () => setTimeout(update)); // after the fields are empty
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
    update();
  };

  const openForPrint = () => {
    const closed = () => [...document.querySelectorAll("details:not([open])")];
    let opened = [];
    addEventListener("beforeprint", () => {
      opened = closed();
      for (const one of opened) one.open = true;
    });
    addEventListener("afterprint", () => {
      for (const one of opened) one.open = false;
    });
  };

  document.addEventListener("DOMContentLoaded", () => {
    switchThemes();
    filterRows();
    openForPrint();
  });
})();
