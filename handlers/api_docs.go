package handlers

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"net/http"

	"github.com/labstack/echo/v4"
	swagger "github.com/swaggest/swgui/v5/static"
)

// docsPage is the API to read and to try. Its script lies in a file of its own, since the CSP allows none inline.
const docsPage = `<!doctype html>
<html lang="ko">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>API · 테크잇슈</title>
<link rel="stylesheet" href="/docs/api/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<noscript><p>이 페이지는 JavaScript가 필요해요. 문서는 <a href="/openapi.json">openapi.json</a>에 그대로 있어요.</p></noscript>
<script src="/docs/api/swagger-ui-bundle.js"></script>
<script src="/docs/api/init.js"></script>
</body>
</html>
`

const docsInit = `SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
});
`

// docsFiles are all that the page loads, by name and type; the library keeps them gzipped.
var docsFiles = map[string]string{"swagger-ui.css": "text/css; charset=utf-8", "swagger-ui-bundle.js": "text/javascript; charset=utf-8"}

func (s *server) docsRoutes() []route {
	// pictures: the page's icons are data: URLs in its style sheet.
	return []route{
		{"GET", "/docs/api", public(), s.docs, trait{pictures: true}},
		{"GET", "/docs/api/:file", public(), s.docsFile, trait{}},
	}
}

func (s *server) docs(c echo.Context) error { return c.HTML(http.StatusOK, docsPage) }

func (s *server) docsFile(c echo.Context) error {
	name := c.Param("file")
	c.Response().Header().Set("Cache-Control", "public, max-age=3600")
	if name == "init.js" {
		return c.Blob(http.StatusOK, "text/javascript; charset=utf-8", []byte(docsInit))
	}
	kind, ok := docsFiles[name]
	if !ok {
		return echo.ErrNotFound
	}
	packed, err := fs.ReadFile(swagger.FS, name+".gz")
	if err != nil {
		return fmt.Errorf("read %s of Swagger UI: %w", name, err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return fmt.Errorf("unpack %s of Swagger UI: %w", name, err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		return fmt.Errorf("unpack %s of Swagger UI: %w", name, err)
	}
	return c.Blob(http.StatusOK, kind, plain)
}
