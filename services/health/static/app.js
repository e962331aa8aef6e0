/* The dashboard: starts all parts. Everything that is shown is put in as text, never as markup (dom.js). */

import { startAppearance } from "./page/appearance.js";
import { renderBanner } from "./panels/banner.js";
import { connect, startConnection } from "./connection.js";
import { startConversations } from "./panels/conversations.js";
import { renderImports, startImports } from "./history/imports.js";
import { refreshContent } from "./refresh.js";
import { startReader } from "./panels/reader.js";
import { startHosts } from "./panels/hosts.js";
import { startSources } from "./panels/sources.js";
import { state } from "./state.js";
import { renderChanges } from "./history/timeline.js";
import { startToken } from "./token.js";

startToken(() => {
  refreshContent();
  connect();
});
startAppearance();
startReader();
startConversations();
startImports();
startSources();
startHosts();
renderBanner();
startConnection();
setInterval(() => {
  if (state.link !== "live") return;
  renderImports();
  renderChanges();
}, 60000);
