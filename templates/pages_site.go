package templates

const siteLayout = "layout/site"

// sitePages are the reader's pages.
var sitePages = []pageFile{
	{"site/home", siteLayout},
	{"site/subscribe", siteLayout},
	{"site/embed", siteLayout},
	{"site/hint", siteLayout},
	{"site/sent", siteLayout},
	{"site/confirm", siteLayout},
	{"site/confirmed", siteLayout},
	{"site/unsubscribe", siteLayout},
	{"site/me_ask", siteLayout},
	{"site/me_link", siteLayout},
	{"site/me_open", siteLayout},
	{"site/me", siteLayout},
	{"site/notice", siteLayout},
	{"site/articles", siteLayout},
	{"site/article", siteLayout},
	{"site/search", siteLayout},
	{"site/issues", siteLayout},
	{"site/issue", siteLayout},
	{"site/share", siteLayout},
	{"site/opinion", siteLayout},
	{"site/contact", siteLayout},
	{"site/about", siteLayout},
	{"site/privacy", siteLayout},
	{"site/comment", siteLayout},
	{"site/error", siteLayout},
	{"site/mailbox", siteLayout},
	{"site/mail", siteLayout},
}
