/* Keeps pages that say data-live="SECONDS" up to date. All works without it. Syntax of 2009, for old browsers. */
(function () {
  "use strict";
  var every = Number(document.body.getAttribute("data-live"));
  var pause = document.getElementById("pause");
  var tag = "";
  var paused = false;
  if (!every || !window.XMLHttpRequest || !window.DOMParser) { return; }
  if (pause) {
    pause.hidden = false;
    pause.onclick = function () {
      paused = !paused;
      pause.setAttribute("aria-pressed", String(paused));
    };
  }
  function show(request) {
    var fresh;
    if (request.responseURL && request.responseURL.split("?")[0] !== location.href.split(/[?#]/)[0]) {
      location.reload(); /* the session ended */
      return;
    }
    if (request.status !== 200 || request.getResponseHeader("ETag") === tag) { return; }
    tag = request.getResponseHeader("ETag");
    fresh = new DOMParser().parseFromString(request.responseText, "text/html").getElementById("main");
    if (fresh) { document.getElementById("main").innerHTML = fresh.innerHTML; }
  }
  setInterval(function () {
    var request;
    if (paused || document.hidden || document.querySelector("main details[open], main :focus")) { return; }
    request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.setRequestHeader("X-Live", "1"); /* does not count as somebody being there */
    request.onload = function () { show(request); };
    request.send();
  }, every * 1000);
}());
