// The printed address holds the token after its #, which no browser sends: hand it over once, and take it out of sight.
const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (token) {
  history.replaceState(null, "", location.pathname + location.search);
  const answer = await fetch("/sign-in", { method: "POST", body: new URLSearchParams({ token }), redirect: "manual" });
  location.replace(answer.type === "opaqueredirect" ? location.href : "/sign-in");
}
