package handlers

import "techissue/newsletter"

// adminRoutes are the pages of the desk. An editor does everything but people, keys, settings and secrets.
func (s *server) adminRoutes() []route {
	desk, wide := admin(newsletter.Editor), trait{body: adminBody}
	owner := admin(newsletter.Owner)
	return []route{
		{"GET", "/admin/login", public(), s.loginForm, trait{}},
		{"POST", "/admin/login", public(), s.login, trait{}},
		{"GET", "/admin/setup", token(), s.setupForm, trait{}},
		{"POST", "/admin/setup", token(), s.setup, trait{}},
		{"GET", "/admin/enter", token(), s.enterForm, trait{}},
		{"POST", "/admin/enter", token(), s.enter, trait{}},
		{"POST", "/admin/logout", desk, s.logout, trait{}},

		{"GET", "/admin", desk, s.dashboard, trait{}},

		{"GET", "/admin/manifest.webmanifest", public(), s.manifest, trait{}},
		{"GET", "/admin/links", desk, s.pile, trait{}},
		{"POST", "/admin/links", desk, s.collect, trait{}},
		{"GET", "/admin/links/add", desk, s.shareLink, trait{}},
		{"POST", "/admin/links/add", desk, s.keepLink, trait{}},
		{"POST", "/admin/links/card", desk, s.linkCard, trait{}},
		{"POST", "/admin/links/:id/delete", desk, s.dropLink, trait{}},

		{"GET", "/admin/issues", desk, s.deskIssues, trait{}},
		{"GET", "/admin/issues/new", desk, s.newIssue, trait{}},
		{"POST", "/admin/issues/new", desk, s.createIssue, wide},
		{"POST", "/admin/issues/preview", desk, s.previewDraft, trait{framed: true, body: adminBody}},
		{"POST", "/admin/issues/autosave", desk, s.autosaveNew, wide},
		{"POST", "/admin/issues/:number/autosave", desk, s.autosaveIssue, wide},
		{"GET", "/admin/issues/:number/history", desk, s.issueHistory, trait{}},
		{"POST", "/admin/issues/:number/history/:id/restore", desk, s.restoreIssue, trait{}},
		{"GET", "/admin/issues/:number", desk, s.editIssue, trait{}},
		{"POST", "/admin/issues/:number", desk, s.saveIssue, wide},
		{"GET", "/admin/issues/:number/preview", desk, s.previewIssue, trait{framed: true}},
		{"POST", "/admin/issues/:number/test", desk, s.testIssue, trait{}},
		{"GET", "/admin/issues/:number/delete", desk, s.deleteIssueForm, trait{}},
		{"POST", "/admin/issues/:number/delete", desk, s.deleteIssue, trait{}},

		{"GET", "/admin/issues/:number/send", desk, s.sendPage, trait{}},
		{"POST", "/admin/issues/:number/send", desk, s.sendIssue, trait{}},
		{"POST", "/admin/issues/:number/schedule", desk, s.scheduleIssue, trait{}},
		{"POST", "/admin/issues/:number/undo", desk, s.stepIssue(s.svc.UndoSend), trait{}},
		{"POST", "/admin/issues/:number/pause", desk, s.stepIssue(s.svc.PauseIssue), trait{}},
		{"POST", "/admin/issues/:number/resume", desk, s.stepIssue(s.svc.ResumeIssue), trait{}},
		{"POST", "/admin/issues/:number/cancel", desk, s.stepIssue(s.svc.CancelIssue), trait{}},
		{"POST", "/admin/issues/:number/resend", desk, s.resendIssue, trait{}},
		{"GET", "/admin/issues/:number/progress", desk, s.progressPart, trait{}},
		{"GET", "/admin/issues/:number/events", desk, s.sendEvents, trait{stream: true}},
		{"GET", "/admin/issues/:number/letters", desk, s.letters, trait{}},
		{"POST", "/admin/letters/:id/resend", desk, s.decide("resent", s.svc.ResendDelivery), trait{}},
		{"POST", "/admin/letters/:id/mark-sent", desk, s.decide("marked", s.svc.MarkSent), trait{}},

		{"GET", "/admin/articles", desk, s.deskArticles, trait{}},
		{"GET", "/admin/articles/new", desk, s.newArticle, trait{}},
		{"POST", "/admin/articles/new", desk, s.createArticle, trait{body: adminBody, pictures: true}},
		{"GET", "/admin/articles/:slug", desk, s.editArticle, trait{}},
		{"POST", "/admin/articles/:slug", desk, s.saveArticle, trait{body: adminBody, pictures: true}},
		{"POST", "/admin/articles/:slug/autosave", desk, s.autosaveArticle, wide},
		{"GET", "/admin/articles/:slug/history", desk, s.articleHistory, trait{}},
		{"POST", "/admin/articles/:slug/history/:id/restore", desk, s.restoreArticle, trait{}},
		{"GET", "/admin/articles/:slug/delete", desk, s.deleteArticleForm, trait{}},
		{"POST", "/admin/articles/:slug/delete", desk, s.deleteArticle, trait{}},

		{"GET", "/admin/media", desk, s.mediaPage, trait{}},
		{"POST", "/admin/media", desk, s.uploadMedia, trait{body: mediaBody}},
		{"POST", "/admin/media/:id", desk, s.describeMedia, trait{}},
		{"POST", "/admin/media/:id/delete", desk, s.deleteMedia, trait{}},
		{"POST", "/admin/paste", desk, s.paste, trait{body: pasteBody}},

		{"GET", "/admin/comments", desk, s.deskComments, trait{}},
		{"POST", "/admin/comments/:id", desk, s.judgeComment, trait{}},
		{"POST", "/admin/comments/:id/reply", desk, s.replyComment, trait{}},

		{"GET", "/admin/subscribers", desk, s.readers, trait{}},
		{"GET", "/admin/subscribers/new", desk, s.newReader, trait{}},
		{"POST", "/admin/subscribers/new", desk, s.addReader, trait{}},
		{"GET", "/admin/subscribers/import", desk, s.importForm, trait{}},
		{"POST", "/admin/subscribers/import", desk, s.checkImport, trait{body: importBody}},
		{"POST", "/admin/subscribers/export", desk, s.exportReaders, trait{stream: true}},
		{"GET", "/admin/subscribers/:id", desk, s.reader, trait{}},
		{"POST", "/admin/subscribers/:id", desk, s.readerDo("saved", s.changeReader), trait{}},
		{"POST", "/admin/subscribers/:id/unsubscribe", desk, s.readerDo("left", s.leaveReader), trait{}},
		{"POST", "/admin/subscribers/:id/lift", desk, s.readerDo("lifted", s.liftReader), trait{}},
		{"POST", "/admin/subscribers/:id/erase", desk, s.readerDo("erased", s.eraseReader), trait{}},
		{"GET", "/admin/imports/:id", desk, s.importPage, trait{}},
		{"POST", "/admin/imports/:id/start", desk, s.startImport, trait{}},
		{"GET", "/admin/imports/:id/rejected.csv", desk, s.importRejected, trait{}},

		{"GET", "/admin/feedback", desk, s.feedbackPage, trait{}},
		{"POST", "/admin/feedback/offers/:id", desk, s.decideOffer, trait{}},
		{"POST", "/admin/feedback/suppressions/:id/lift", desk, s.liftBounce, trait{}},
		{"POST", "/admin/settings/ses/forget", owner, s.forgetAccount, trait{}},

		{"GET", "/admin/settings", owner, s.settings, trait{}},
		{"POST", "/admin/settings", owner, s.saveSettings, trait{}},
		{"GET", "/admin/settings/keys", owner, s.keys, trait{}},
		{"POST", "/admin/settings/keys", owner, s.createKey, trait{}},
		{"POST", "/admin/settings/keys/:id/revoke", owner, s.revokeKey, trait{}},

		{"GET", "/admin/account", desk, s.account, trait{}},
		{"POST", "/admin/account/password", desk, s.changePassword, trait{}},
		{"POST", "/admin/account/sessions/:mark/revoke", desk, s.revokeSession, trait{}},
	}
}
