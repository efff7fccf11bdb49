package templates

import "embed"

// adminFiles holds the desk's templates, adminPages lists them.
//
//go:embed layout/admin.html admin
var adminFiles embed.FS

const adminLayout = "layout/admin"

var adminPages = []pageFile{
	{"admin/door", adminLayout},
	{"admin/home", adminLayout},
	{"admin/confirm", adminLayout},
	{"admin/links", adminLayout},
	{"admin/link_add", adminLayout},
	{"admin/issues", adminLayout},
	{"admin/issue", adminLayout},
	{"admin/send_ask", adminLayout},
	{"admin/send", adminLayout},
	{"admin/letters", adminLayout},
	{"admin/report", adminLayout},
	{"admin/articles", adminLayout},
	{"admin/article", adminLayout},
	{"admin/media", adminLayout},
	{"admin/history", adminLayout},
	{"admin/comments", adminLayout},
	{"admin/readers", adminLayout},
	{"admin/reader", adminLayout},
	{"admin/reader_new", adminLayout},
	{"admin/import_new", adminLayout},
	{"admin/import", adminLayout},
	{"admin/settings", adminLayout},
	{"admin/brand", adminLayout},
	{"admin/cards", adminLayout},
	{"admin/keys", adminLayout},
	{"admin/feedback", adminLayout},
	{"admin/account", adminLayout},
}
