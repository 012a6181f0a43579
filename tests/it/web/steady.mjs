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
