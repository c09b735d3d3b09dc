"use strict";
SwaggerUIBundle({
  url: "{{base}}/openapi.yaml",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: false,
  // No validator, no query configuration: the page talks to this service only.
  validatorUrl: null,
  queryConfigEnabled: false,
});
