import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Router } from "wouter";
import { App } from "./App";
import { ApiProblem } from "./lib/api";
import { ROUTER_BASE } from "./lib/base";
import { live } from "./lib/live";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/parts.css";
import "./styles/pages.css";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // Pausing must stop everything, so nothing is fetched for other reasons than a page's own.
      refetchOnWindowFocus: false,
      refetchOnReconnect: false,
      staleTime: 1000,
      retry: (count, error) => count < 2 && error instanceof ApiProblem && (error.status === 0 || error.status >= 502),
    },
  },
});

const root = document.getElementById("root");
if (root) {
  live.start();
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <Router base={ROUTER_BASE}>
          <App />
        </Router>
      </QueryClientProvider>
    </StrictMode>,
  );
}
