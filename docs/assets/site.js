// Tables and code that are wider than the page scroll: let the keyboard reach those, and name the buttons of each block.
function labelRegions() {
  for (const region of document.querySelectorAll(".md-typeset__scrollwrap, .highlight code")) {
    if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
    else region.removeAttribute("tabindex");
  }
  document.querySelectorAll(".md-code__nav").forEach((nav, index) => {
    nav.setAttribute("aria-label", `Code block ${index + 1}`);
  });
}

window.addEventListener("load", () => new ResizeObserver(labelRegions).observe(document.body));
