package handlers

import "techissue/newsletter"

// adminRoutes are the pages of the desk.
func (s *server) adminRoutes() []route {
	desk, wide := admin(newsletter.Editor), trait{body: adminBody}
	return []route{
		{"GET", "/admin/login", public(), s.loginForm, trait{}},
		{"POST", "/admin/login", public(), s.login, trait{}},
		{"GET", "/admin/setup", token(), s.setupForm, trait{}},
		{"POST", "/admin/setup", token(), s.setup, trait{}},
		{"GET", "/admin/enter", token(), s.enterForm, trait{}},
		{"POST", "/admin/enter", token(), s.enter, trait{}},
		{"POST", "/admin/logout", desk, s.logout, trait{}},

		{"GET", "/admin", desk, s.dashboard, trait{}},
		{"GET", "/admin/issues/new", desk, s.newIssue, trait{}},
		{"POST", "/admin/issues/new", desk, s.createIssue, wide},
		{"GET", "/admin/issues/:number", desk, s.editIssue, trait{}},
		{"POST", "/admin/issues/:number", desk, s.saveIssue, wide},
		{"GET", "/admin/issues/:number/preview", desk, s.previewIssue, trait{framed: true}},
		{"POST", "/admin/issues/:number/test", desk, s.testIssue, trait{}},
		{"POST", "/admin/issues/:number/schedule", desk, s.scheduleIssue, trait{}},
		{"GET", "/admin/issues/:number/send", desk, s.sendProgress, trait{}},
		{"POST", "/admin/issues/:number/send", desk, s.sendIssue, trait{}},
		{"POST", "/admin/issues/:number/undo", desk, s.stepIssue(s.svc.UndoSend), trait{}},
		{"POST", "/admin/issues/:number/pause", desk, s.stepIssue(s.svc.PauseIssue), trait{}},
		{"POST", "/admin/issues/:number/resume", desk, s.stepIssue(s.svc.ResumeIssue), trait{}},
		{"POST", "/admin/issues/:number/cancel", desk, s.stepIssue(s.svc.CancelIssue), trait{}},
	}
}
