// Follows the healthy instances of a service with the watch of the npm package "consul", a line for each change.

const Consul = require("consul");

const [host, port, service] = process.argv.slice(2);
const consul = new Consul({ host, port: Number(port) });
const watch = consul.watch({
  method: consul.health.service,
  options: { service, passing: true, wait: "30s" },
});
watch.on("change", (found) => {
  const places = found.map((entry) => `${entry.Node.Node}:${entry.Service.Port}`);
  console.log(`change <${places.sort().join(" ")}>`);
});
watch.on("error", (error) => console.log(`error ${error}`));
