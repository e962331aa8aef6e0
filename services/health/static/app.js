/* The dashboard: starts all parts. Everything that is shown is put in as text, never as markup (dom.js). */

import { startAppearance } from "./appearance.js";
import { renderBanner } from "./banner.js";
import { startConnection } from "./connection.js";
import { startConversations } from "./conversations.js";
import { renderImports, startImports } from "./imports.js";
import { refreshContent } from "./panels.js";
import { startReader } from "./reader.js";
import { startSources } from "./sources.js";
import { state } from "./state.js";
import { renderChanges } from "./timeline.js";
import { startToken } from "./token.js";

startToken(refreshContent);
startAppearance();
startReader();
startConversations();
startImports();
startSources();
renderBanner();
startConnection();
setInterval(() => {
  if (state.link !== "live") return;
  renderImports();
  renderChanges();
}, 60000);
