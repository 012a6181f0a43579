// A page that goes on where its way was cut: other tests make and remove networks of containers on this machine meanwhile, and
// Chromium lets go of what it loads at each of them.
const TRIES = 5;

export async function steadyPage(context) {
  const page = await context.newPage();
  const goto = page.goto.bind(page);
  page.goto = async (...args) => {
    for (let tried = 1; ; tried += 1) {
      try {
        return await goto(...args);
      } catch (error) {
        if (tried === TRIES || !error.message.includes("ERR_NETWORK_CHANGED")) throw error;
      }
    }
  };
  return page;
}

// What the page complains about from now on: errors of scripts and of the console, but for answers that a page expects and what
// Chromium let go of as above.
export function complaintsOf(page) {
  const complaints = [];
  const isExpected = /status of 4\d\d|ERR_NETWORK_CHANGED/;
  page.on("console", (message) => { if (message.type() === "error" && !isExpected.test(message.text())) complaints.push(message.text()); });
  page.on("pageerror", (error) => complaints.push(error.message));
  return complaints;
}
