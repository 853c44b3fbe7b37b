// Set the chosen theme before anything is drawn. Without a choice the page follows the system.
(function () {
  "use strict";
  try {
    const chosen = localStorage.getItem("vtok-theme");
    if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
  } catch (error) {
    // Storage may be forbidden; then the system's theme holds.
  }
})();
