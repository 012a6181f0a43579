// Says which version it is, and ends when it is told to.
const express = require("express");

const app = express();
app.get("/", (request, response) => response.send(`express one, port ${process.env.PORT}\n`));
const server = app.listen(process.env.PORT, "0.0.0.0");
process.on("SIGTERM", () => server.close(() => process.exit(0)));
