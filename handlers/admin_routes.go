package handlers

// adminRoutes are the pages of the desk.
func (s *server) adminRoutes() []route { return nil }
