// A link carries its token behind the `#`, which no browser sends and no server logs: it goes into the form's field,
// and out of the address bar.

const field = document.getElementById("token");
const token = decodeURIComponent(location.hash.slice(1));
if (field && token && !field.value) {
  field.value = token.slice(0, 128);
  history.replaceState(null, "", location.pathname);
  document.getElementById("password").focus();
}
