package handlers

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// apiRoutes are the API's plain routes; mountAPI (api_operations.go) adds those that describe themselves in OpenAPI.
func (s *server) apiRoutes() []route {
	return []route{
		{"GET", "/api/v1/me", key(""), s.apiMe, trait{}},
	}
}

// apiMe tells a program which key it holds.
func (s *server) apiMe(c echo.Context) error {
	k := apiKeyOf(c)
	return c.JSON(http.StatusOK, map[string]any{"id": k.ID, "name": k.Name, "scopes": k.Scopes})
}
