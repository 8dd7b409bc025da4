// The rail on narrow screens: opened by its button, closed by Escape, by a step outside and by the button again.
const button = document.getElementById("menu");
const rail = document.getElementById("pages");

function show(isOpen) {
  rail.classList.toggle("open", isOpen);
  button.setAttribute("aria-expanded", String(isOpen));
}

if (button && rail) {
  button.addEventListener("click", () => {
    show(!rail.classList.contains("open"));
    if (rail.classList.contains("open")) (rail.querySelector("[aria-current]") ?? rail.querySelector("a")).focus();
  });
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !rail.classList.contains("open")) return;
    show(false);
    button.focus();
  });
  addEventListener("click", (event) => {
    if (!rail.contains(event.target) && !button.contains(event.target)) show(false);
  });
}
