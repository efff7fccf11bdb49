package handlers

import "github.com/labstack/echo/v4"

// apiRoutes are the API's plain routes; mountAPI adds those that describe themselves in OpenAPI.
func (s *server) apiRoutes() []route { return nil }

// mountAPI puts the described operations under echo and declares the access of each.
func (s *server) mountAPI(*echo.Echo) {}
