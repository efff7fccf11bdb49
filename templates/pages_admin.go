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
	{"admin/issue", adminLayout},
	{"admin/send", adminLayout},
}
