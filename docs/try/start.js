// Start the page. A page that is opened as a file cannot: browsers start no module and no worker there.
(() => {
  const status = document.getElementById("try-status");
  if (location.protocol === "file:") {
    status.textContent =
      "This page cannot score while it is opened as a file, because browsers start no worker from files. " +
      "In the folder of the site run: python -m http.server. Then open http://localhost:8000/try/.";
    for (const part of document.querySelectorAll("#try button, #try input, #try select, #try textarea")) part.disabled = true;
    return;
  }
  import(new URL("page.js", document.currentScript.src)).catch((error) => {
    status.textContent = `This browser cannot run the page (${error.message}). Try a newer one.`;
  });
})();
