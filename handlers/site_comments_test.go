package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"techissue/newsletter"
)

var startedField = regexp.MustCompile(`(?s)id="comment-form".*?name="started" value="([^"]+)"`)

// say fills in the form under a page, as slowly as a person.
func (b *browser) say(path, name, email, body string, more ...string) answer {
	b.h.t.Helper()
	page := b.get(path).must(b.h.t, 200)
	m := startedField.FindStringSubmatch(page.text)
	if m == nil {
		b.h.t.Fatal("no form for a comment")
	}
	b.h.clock.add(10 * time.Second)
	form := url.Values{"name": {name}, "email": {email}, "body": {body}, "started": {m[1]}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return b.post(path+"/comments", form)
}

// commentLink is the link that the newest letter about a comment carries.
func (h *house) commentLink(kind newsletter.NoticeKind, email string) string {
	h.t.Helper()
	return "/c/" + h.link(kind, newsletter.PurposeComment, email)
}

// confirmed leaves a comment from a new browser and uses the mailed link; the editor lets it appear.
func (h *house) confirmed(b *browser, path, name, email, body string, more ...string) int64 {
	h.t.Helper()
	h.clock.add(3 * time.Minute)
	b.say(path, name, email, body, more...).must(h.t, 303)
	b.post(h.commentLink(newsletter.NoticeComment, email)+"/confirm", nil).must(h.t, 303)
	list, _, err := h.svc.Comments(h.t.Context(), "", 0, 1)
	if err != nil || len(list) != 1 {
		h.t.Fatal(list, err)
	}
	if list[0].Status != newsletter.CommentPublished {
		if _, err := h.svc.JudgeComment(h.t.Context(), "test", list[0].ID, newsletter.CommentPublished); err != nil {
			h.t.Fatal(err)
		}
	}
	return int64(list[0].ID)
}

func TestCommentByMail(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, h *house) {
		path := articlePathOf(h.article("댓글이 달리는 글", "본문이에요."))
		b := h.browser()
		b.get(path).must(t, 200, "첫 답글을 남겨 주세요.", `name="body"`)
		a := b.say(path, "독자", "reader@example.com", "잘 읽었어요.").must(t, 303)
		if got := a.Header.Get("Location"); got != path+"?comment=mailed#comment-form" {
			t.Errorf("led to %s", got)
		}
		b.get(path+"?comment=mailed").must(t, 200, "확인 메일을 보냈어요").mustNot(t, "잘 읽었어요.")
		link := h.commentLink(newsletter.NoticeComment, "reader@example.com")
		other := h.browser() // a scanner opens the link and nothing happens
		other.get(link).must(t, 200, "이 댓글을 올릴까요?", "r***@example.com").mustNot(t, "reader@example.com")
		b.get(path).mustNot(t, "잘 읽었어요.")
		b.post(link+"/confirm", nil).must(t, 303)
		b.get(path).mustNot(t, "잘 읽었어요.") // the first one waits for the editor
		list, _, err := h.svc.Comments(t.Context(), newsletter.CommentPending, 0, 9)
		if err != nil || len(list) != 1 || list[0].Held != "이 주소의 첫 댓글이에요" || list[0].Title != "댓글이 달리는 글" {
			t.Fatalf("%+v %v", list, err)
		}
		if _, err := h.svc.JudgeComment(t.Context(), "test", list[0].ID, newsletter.CommentPublished); err != nil {
			t.Fatal(err)
		}
		b.get(path).must(t, 200, "잘 읽었어요.", "독자", "댓글 1").mustNot(t, "reader@example.com")
		b.get("/articles").must(t, 200, "댓글 1")

		// Known by now: at once, and without a letter. Another browser with the same address waits again (S53).
		before := h.count(newsletter.NoticeComment, "reader@example.com")
		a = b.say(path, "독자", "reader@example.com", "또 왔어요.").must(t, 303)
		if !strings.Contains(a.Header.Get("Location"), "?comment=published#comment-") {
			t.Errorf("led to %s", a.Header.Get("Location"))
		}
		b.get(path).must(t, 200, "또 왔어요.", "댓글 2")
		if n := h.count(newsletter.NoticeComment, "reader@example.com"); n != before {
			t.Errorf("%d letters more", n-before)
		}
		h.clock.add(time.Hour)
		h.browser().say(path, "독자", "reader@example.com", "다른 사람이 같은 주소로").must(t, 303)
		b.get(path).mustNot(t, "다른 사람이 같은 주소로")

		// The link changes and takes back.
		b.get(link).must(t, 200, "내 댓글", "잘 읽었어요.")
		b.post(link+"/edit", url.Values{"body": {""}}).must(t, 422, "내용을 적어 주세요.")
		b.post(link+"/edit", url.Values{"body": {"아주 잘 읽었어요."}}).must(t, 303)
		b.get(path).must(t, 200, "아주 잘 읽었어요.", "고침")
		b.post(link+"/delete", nil).must(t, 303)
		b.get(path).must(t, 200, "댓글 1").mustNot(t, "아주 잘 읽었어요.")
		b.get(link).must(t, 410, "이미 지운 댓글이에요.")
	})
}

func articlePathOf(a newsletter.Article) string { return "/articles/" + url.PathEscape(a.Slug) }

func TestReplies(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	path := articlePathOf(h.article("글", "본문"))
	first := h.browser()
	parent := h.confirmed(first, path, "하나", "one@example.com", "첫 댓글이에요.", "notify", "on")
	first.get(path+fmt.Sprintf("?reply=%d", parent)).must(t, 200, "하나님에게 답글", fmt.Sprintf(`name="parent" value="%d"`, parent))
	second := h.browser()
	reply := h.confirmed(second, path, "둘", "two@example.com", "답글이에요.", "parent", fmt.Sprint(parent), "notify", "on")
	if n, ok := h.newest(newsletter.NoticeReply, "one@example.com"); !ok || n.Payload.Text != "답글이에요." || n.Payload.Subject != "둘" {
		t.Errorf("told of the reply: %v %+v", ok, n.Payload)
	}
	// A reply to a reply stands beside it, and what answers itself is told to nobody.
	second.say(path, "둘", "two@example.com", "한 줄 더", "parent", fmt.Sprint(reply)).must(t, 303)
	if n := h.count(newsletter.NoticeReply, "two@example.com"); n != 0 {
		t.Errorf("%d letters about one's own reply", n)
	}
	// Within ten minutes no second letter (S39).
	if n := h.count(newsletter.NoticeReply, "one@example.com"); n != 1 {
		t.Errorf("%d letters about replies", n)
	}
	page := first.get(path).must(t, 200, "댓글 3")
	if n := strings.Count(page.text, `class="replies"`); n != 1 {
		t.Errorf("%d levels of replies", n)
	}
	// The author answers at the desk, and is marked.
	if _, err := h.svc.ReplyAsAuthor(t.Context(), "test", newsletter.CommentID(parent), "고마워요."); err != nil {
		t.Fatal(err)
	}
	first.get(path).must(t, 200, "고마워요.", "글쓴이</span>", "by-author")
	// Taken back, the place stays for the replies.
	first.post(h.commentLink(newsletter.NoticeComment, "one@example.com")+"/delete", nil).must(t, 303)
	first.get(path).must(t, 200, "지운 댓글이에요.", "답글이에요.").mustNot(t, "첫 댓글이에요.", "하나<")
	first.say(path, "하나", "one@example.com", "없는 것에 답글", "parent", fmt.Sprint(parent)).must(t, 422, "없어졌어요", "없는 것에 답글")
}

func TestCommentsAreJudged(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	path := articlePathOf(h.article("글", "본문"))
	if err := h.svc.PutSettings(t.Context(), "test", map[string]string{"comment_words": "카지노, 대출"}); err != nil {
		t.Fatal(err)
	}
	b := h.browser()
	h.confirmed(b, path, "독자", "reader@example.com", "첫 댓글")
	for _, row := range []struct {
		says, name, email, body string
		status                  int
		want                    string // on the page, or where it leads
	}{
		{"nothing at all", "", "", "", 422, "내용을 적어 주세요."},
		{"blanks and fillers", "독자", "reader@example.com", " \u200b\u3164\n", 422, "내용을 적어 주세요."},
		{"too long", "독자", "reader@example.com", strings.Repeat("가", 2001), 422, "2,000자까지"},
		{"a link farm", "독자", "reader@example.com", "http://a.example http://b.example http://c.example http://d.example", 422, "링크는 3개까지"},
		{"a bad address", "독자", "reader@@example", "내용", 422, "comment-email-fault"},
		{"a link in the name", "www.spam.example", "reader@example.com", "내용", 422, "comment-name-fault"},
		{"a link waits", "독자", "reader@example.com", "여기 봐요 https://news.example/1", 303, "?comment=held"},
		{"a bare host waits", "독자", "reader@example.com", "spam-shop.xyz 로 오세요", 303, "?comment=held"},
		{"a word of the editor's waits", "독자", "reader@example.com", "무료 카지노", 303, "?comment=held"},
		{"an ordinary one appears", "독자", "reader@example.com", "좋은 글이에요.", 303, "?comment=published"},
	} {
		a := b.say(path, row.name, row.email, row.body)
		if row.status == 422 {
			a.must(t, 422, row.want, "고칠 곳이 있어요")
			continue
		}
		if a.StatusCode != 303 || !strings.Contains(a.Header.Get("Location"), row.want) {
			t.Errorf("%s: %d to %s", row.says, a.StatusCode, a.Header.Get("Location"))
		}
	}
	// A robot that fills the trap, and one that is too quick.
	b.say(path, "독자", "reader@example.com", "로봇", "website", "http://spam.example").must(t, 303)
	b.post(path+"/comments", url.Values{"name": {"독자"}, "email": {"reader@example.com"}, "body": {"빠른 로봇"}}).must(t, 422, "너무 빨리", "빠른 로봇")
	b.get(path).mustNot(t, "로봇")

	if _, err := h.svc.UpdateArticle(t.Context(), "test", "글", func(a *newsletter.Article) error { a.CommentsClosed = true; return nil }, 0); err != nil {
		t.Fatal(err)
	}
	b.get(path).must(t, 200, "댓글을 받지 않는 글이에요.", "좋은 글이에요.").mustNot(t, `id="comment-form"`)
	b.get("/articles/none/comments").must(t, 405)
	b.post("/articles/none/comments", nil).must(t, 404)
	b.post("/issues/99/comments", nil).must(t, 404)
}

// S39: a flood from one network, from one writer, and at one victim's address.
func TestAFloodOfComments(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	path := articlePathOf(h.article("글", "본문"))
	victim := 0
	for i := range 60 {
		b := h.browser()
		b.ip = fmt.Sprintf("198.51.100.%d", i)
		switch a := b.say(path, "누구", "victim@example.com", fmt.Sprint("안녕", i)); a.StatusCode {
		case 303:
			victim++
		case 429:
			if a.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		default:
			t.Fatalf("%d", a.StatusCode)
		}
		h.clock.add(5 * time.Minute)
	}
	if n := h.count(newsletter.NoticeComment, "victim@example.com"); n != 3 || victim != 3 {
		t.Errorf("%d letters to a victim in 5 hours, %d taken", n, victim)
	}
	one := h.browser()
	refused := 0
	for i := range 25 {
		if one.say(path, "누구", fmt.Sprintf("a%d@example.com", i), "안녕").StatusCode == 429 {
			refused++
		}
	}
	if refused != 5 {
		t.Errorf("%d of 25 from one network refused", refused)
	}
	h.clock.add(time.Hour)
	b := h.browser()
	h.confirmed(b, path, "독자", "reader@example.com", "첫 댓글")
	shown := 0
	for i := range 15 {
		if b.say(path, "독자", "reader@example.com", fmt.Sprint("또", i)).StatusCode == 303 {
			shown++
		}
	}
	if shown != 9 {
		t.Errorf("%d more of one writer within an hour, want 9", shown)
	}
	// Unconfirmed ones are gone after seven days, with their addresses.
	h.clock.add(8 * 24 * time.Hour)
	h.confirmed(h.browser(), path, "새", "new@example.com", "여드레 뒤")
	err := h.store.View(t.Context(), func(tx newsletter.Tx) error {
		n, err := tx.CountComments(t.Context())
		if n[newsletter.CommentUnconfirmed] != 0 {
			t.Errorf("%d unconfirmed ones are kept", n[newsletter.CommentUnconfirmed])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCommentsUnderAnIssueAndForgedLinks(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.past(3, "세 번째 편지")
	b := h.browser()
	h.confirmed(b, "/issues/3", "독자", "reader@example.com", "이번 호 좋았어요.")
	b.get("/issues/3").must(t, 200, "이번 호 좋았어요.", "댓글")
	link := h.commentLink(newsletter.NoticeComment, "reader@example.com")
	for _, p := range []string{link + "x", "/c/none", "/c/" + h.keys.Sign(newsletter.PurposeOpinion, 1, noTime), "/c/" + h.keys.Sign(newsletter.PurposeUnsubscribe, 1, noTime)} {
		b.get(p).must(t, 404)
		b.post(p+"/confirm", nil).must(t, 404)
		b.post(p+"/delete", nil).must(t, 404)
	}
	b.get("/issues/3").must(t, 200, "이번 호 좋았어요.")
	// A reader who has everything erased takes their comments along.
	sub := h.reader("reader@example.com")
	if err := h.svc.EraseReader(t.Context(), "test", sub.ID); err != nil {
		t.Fatal(err)
	}
	b.get("/issues/3").mustNot(t, "이번 호 좋았어요.")
	b.get(link).must(t, 410)
}

func TestCommentsAtTheDeskAndTheAPI(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	path := articlePathOf(h.article("글", "본문"))
	b := h.browser()
	b.say(path, "<b>독자</b>", "reader@example.com", `<img src=x onerror=alert(1)> javascript:alert(1)`).must(t, 303)
	b.post(h.commentLink(newsletter.NoticeComment, "reader@example.com")+"/confirm", nil).must(t, 303)
	desk := h.desk(newsletter.Editor)
	desk.get("/admin/comments").must(t, 200, "&lt;img src=x", "이 주소의 첫 댓글이에요", "reader@example.com", "대기 <span>1").mustNot(t, "<img src=x", "<b>독자")
	list, _, err := h.svc.Comments(t.Context(), newsletter.CommentPending, 0, 9)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	id := fmt.Sprint(list[0].ID)
	desk.post("/admin/comments/"+id, url.Values{"do": {"nonsense"}}).must(t, 422)
	desk.post("/admin/comments/"+id+"/reply", url.Values{"body": {" "}}).must(t, 422, "내용을 적어 주세요.")
	desk.post("/admin/comments/"+id+"/reply", url.Values{"body": {"반가워요."}}).must(t, 303)
	b.get(path).must(t, 200, "반가워요.", "&lt;img src=x", "댓글 2").mustNot(t, "<img src=x", `href="javascript`)
	desk.get("/admin/comments?status=published").must(t, 200, "반가워요.")
	desk.post("/admin/comments/"+id, url.Values{"do": {"spam"}}).must(t, 303)
	b.get(path).mustNot(t, "&lt;img src=x")
	desk.post("/admin/comments/"+id, url.Values{"do": {"published"}}).must(t, 303)
	desk.post("/admin/comments/"+id, url.Values{"do": {"delete"}}).must(t, 303)
	b.get(path).must(t, 200, "지운 댓글이에요.")
	desk.post("/admin/comments/"+id, url.Values{"do": {"published"}}).must(t, 404)
	h.browser().get("/admin/comments").must(t, http.StatusSeeOther)
}
