package handlers

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// apiRoutes are the API's plain routes; mountAPI adds those that describe themselves in OpenAPI.
func (s *server) apiRoutes() []route {
	return []route{
		{"GET", "/api/v1/me", key(""), s.apiMe, trait{}},
	}
}

// mountAPI puts the described operations under echo and declares the access of each.
func (s *server) mountAPI(*echo.Echo) {}

// apiMe tells a program which key it holds.
func (s *server) apiMe(c echo.Context) error {
	k := apiKeyOf(c)
	return c.JSON(http.StatusOK, map[string]any{"id": k.ID, "name": k.Name, "scopes": k.Scopes})
}
