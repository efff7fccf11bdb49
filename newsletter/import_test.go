package newsletter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"techissue/db"
	"techissue/db/dbtest"
	"techissue/newsletter"
)

var withConsent = newsletter.ImportOptions{As: newsletter.ImportActive, ConsentSource: "옛 서비스에서 받은 동의", File: "list.csv"}

func (k *desk) importText(text string, o newsletter.ImportOptions) newsletter.Import {
	k.t.Helper()
	i, err := k.ImportSubscribers(k.t.Context(), "cli", strings.NewReader(text), o)
	k.must(err)
	return i
}

func (k *desk) rejects(id int64) string {
	k.t.Helper()
	var b bytes.Buffer
	k.must(k.ImportRejects(k.t.Context(), id, &b))
	return b.String()
}

func TestImportFormats(t *testing.T) {
	t.Parallel()
	type reader struct {
		status newsletter.Status
		name   string
		tags   string
		ad     bool
		since  string // consent
	}
	for _, c := range []struct {
		file, format string
		readers      map[string]reader
	}{
		{"stibee_cp949.csv", "stibee", map[string]reader{
			"minji@example.com":  {newsletter.Active, "김민지", "개발자,직장인", true, "2024-03-05T00:12:33Z"},
			"haneul@example.com": {newsletter.Active, "똠방각하", "", false, "2025-11-29T15:00:00Z"},
			"bada@example.com":   {newsletter.Unsubscribed, "이바다", "개발자", false, "2023-06-30T23:00:00Z"},
		}},
		{"stibee_optout.csv", "stibee", map[string]reader{
			"one@example.com":   {newsletter.Unsubscribed, "하나", "", false, ""},
			"two@example.com":   {newsletter.Active, "둘", "", false, "2026-11-24T09:00:00Z"},
			"three@example.com": {newsletter.Active, "셋", "", false, "2026-11-24T09:00:00Z"},
		}},
		{"mailchimp_subscribed.csv", "mailchimp", map[string]reader{
			"jane@example.com":  {newsletter.Active, "Jane Doe", "early bird,vip", false, "2021-02-03T04:05:06Z"},
			"young@example.com": {newsletter.Active, "김영희", "", false, "2022-01-01T00:00:00Z"},
		}},
		{"mailchimp_unsubscribed.csv", "mailchimp", map[string]reader{
			"gone@example.com": {newsletter.Unsubscribed, "Gone Girl", "", false, "2020-01-01T00:00:00Z"},
		}},
		{"mailchimp_cleaned.csv", "mailchimp", map[string]reader{
			"dead@example.com": {newsletter.Suppressed, "", "", false, "2020-01-01T00:00:00Z"},
		}},
		{"substack.csv", "substack", map[string]reader{
			"sub@example.com": {newsletter.Active, "", "", false, "2023-04-05T06:07:08Z"},
			"off@example.com": {newsletter.Unsubscribed, "", "", false, "2023-04-05T06:07:08Z"},
		}},
		{"ghost.csv", "ghost", map[string]reader{
			"ghost@example.com": {newsletter.Active, "유령", "vip,베타", false, "2022-08-09T10:11:12Z"},
			"quiet@example.com": {newsletter.Unsubscribed, "조용", "", false, "2022-08-09T10:11:12Z"},
		}},
		{"listmonk.csv", "listmonk", map[string]reader{
			"monk@example.com":  {newsletter.Active, "몽크", "", false, "2024-01-02T03:04:05Z"},
			"block@example.com": {newsletter.Suppressed, "블록", "", false, "2024-01-02T03:04:05Z"},
			"able@example.com":  {newsletter.Unsubscribed, "에이블", "", false, "2024-01-02T03:04:05Z"},
		}},
		{"beehiiv.csv", "beehiiv", map[string]reader{
			"hive@example.com": {newsletter.Active, "Hive Bee", "", false, "2024-01-02T03:04:05Z"},
			"left@example.com": {newsletter.Unsubscribed, "", "", false, "2024-01-02T03:04:05Z"},
			"soon@example.com": {newsletter.Pending, "", "", false, ""},
		}},
		{"buttondown.csv", "buttondown", map[string]reader{
			"button@example.com": {newsletter.Active, "", "news", false, "2024-01-02T03:04:05Z"},
		}},
	} {
		t.Run(c.file, func(t *testing.T) {
			t.Parallel()
			k := newDesk(t)
			f, err := os.Open(filepath.Join("testdata", "import", c.file))
			k.must(err)
			defer f.Close()
			o := withConsent
			o.File = c.file
			i, err := k.ImportSubscribers(t.Context(), "cli", f, o)
			k.must(err)
			if i.Format != c.format || i.Rejected != 0 || i.Created != int64(len(c.readers)) || i.Rows != i.Created || i.State != "done" {
				t.Fatalf("import came to %+v\n%s", i, k.rejects(i.ID))
			}
			for email, want := range c.readers {
				sub := k.reader(email)
				got := reader{sub.Shown(), sub.Name, strings.Join(sub.Tags, ","), sub.AdConsent, ""}
				if !sub.ConsentAt.IsZero() {
					got.since = sub.ConsentAt.Format(time.RFC3339)
				}
				if got != want {
					t.Errorf("%s is %+v, want %+v", email, got, want)
				}
			}
		})
	}
}

func TestImportTellsBrokenLinesByNumber(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		text := "이메일,이름,메모\n" +
			"good1@example.com,하나,ok\n" +
			"\"open@example.com,둘,x\n" + // its quote closes in the middle of line 4
			"\"good2@example.com\",셋,\"여러\r\n줄\"\n" +
			"few@example.com,넷\n" +
			"nul@example.com,다\x00섯,x\n" +
			"not an address,여섯,x\n" +
			"GOOD1@example.com,하나,또\n" +
			"\n" +
			"big@example.com," + strings.Repeat("가", 30_000) + ",x\n" +
			"bytes@example.com,\xff\xfe\xfd,x\n" +
			"good3@example.com,\"따\"\"옴\",x\n" +
			"mid\"dle@example.com,x,x\n" +
			"link@example.com,https://spam.example,x\n" +
			"long@example.com," + strings.Repeat("x", 2<<20) + ",x\n" +
			"last@example.com,끝,\"안 닫힘\n" +
			"good4@example.com,뒤,x"
		i := k.importText(text, withConsent)
		got := k.rejects(i.ID)
		for _, want := range []string{
			"line,value,reason\n",
			"\n3,\"\"\"open@example.com,둘,x\",따옴표가 맞지 않아요.\n",
			"\n6,few@example.com,칸이 3개여야 하는데 2개예요.\n",
			"\n7,\"nul@example.com,다 섯,x\",NUL 글자가 들어 있어요.\n",
			"\n8,not an address,",
			"\n9,GOOD1@example.com,2번째 줄에 같은 주소가 있어요.\n",
			"칸 하나가 너무 길어요(64KB까지).\n",
			"글자를 읽을 수 없어요(UTF-8도 CP949도 아니에요).\n",
			"\n14,\"mid\"\"dle@example.com,x,x\",따옴표가 맞지 않아요.\n",
			"\n15,link@example.com,이름에는 링크를 적을 수 없어요.\n",
			"줄이 너무 길어요(256KB까지).\n",
			"\n17,\"last@example.com,끝,\"\"안 닫힘\",따옴표가 닫히지 않았어요.\n",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("the report lacks %q", want)
			}
		}
		if i.Created != 4 || i.Rejected != 11 || i.Rows != 15 {
			t.Errorf("import came to %+v\n%.3000s", i, got)
		}
		for _, email := range []string{"good1@example.com", "good2@example.com", "good3@example.com", "good4@example.com"} {
			k.reader(email)
		}
		if k.reader("good3@example.com").Name != `따"옴` {
			t.Errorf("a doubled quote reads %q", k.reader("good3@example.com").Name)
		}
	})
}

func TestImportRevivesNobody(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		left := k.addActive("left@example.com")
		_, err := k.UnsubscribeReader(ctx, "admin:1", left.ID)
		k.must(err)
		erased := k.addActive("erased@example.com")
		k.must(k.EraseReader(ctx, "admin:1", erased.ID))
		k.addActive("blocked@example.com")
		_, err = k.Suppress(ctx, "admin:1", "blocked@example.com", newsletter.SuppressedComplaint, "신고")
		k.must(err)
		_, err = k.Suppress(ctx, "admin:1", "stranger@example.com", newsletter.SuppressedHard, "550 5.1.1")
		k.must(err)
		paused := k.addActive("same@example.com")

		o := withConsent
		i := k.importText("email,name\nleft@example.com,\nerased@example.com,\nblocked@example.com,\nstranger@example.com,\nsame@example.com,\nnew@example.com,\n", o)
		if i.Created != 2 || i.Updated != 3 || i.Rejected != 1 {
			t.Fatalf("import came to %+v", i)
		}
		for email, want := range map[string]newsletter.Status{
			"left@example.com": newsletter.Unsubscribed, "blocked@example.com": newsletter.Suppressed, "stranger@example.com": newsletter.Suppressed,
			"same@example.com": newsletter.Active, "new@example.com": newsletter.Active,
		} {
			if got := k.reader(email).Shown(); got != want {
				t.Errorf("%s is %s, want %s", email, got, want)
			}
		}
		if _, err := k.SubscriberByEmail(ctx, "erased@example.com"); newsletter.KindOf(err) != newsletter.NotFound {
			t.Errorf("an erased reader came back: %v", err)
		}
		if got := k.reader("same@example.com"); !reflect.DeepEqual(got, paused) {
			t.Errorf("an unchanged reader became\n%+v, was\n%+v", got, paused)
		}
	})
}

func TestImportTakesEverySignOfLeaving(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		k.addActive("reader@example.com")
		before := len(k.notices(newsletter.NoticeRefusal))
		i := k.importText("email,status\nreader@example.com,unsubscribed\nnew@example.com,수신거부\nodd@example.com,vip\n", withConsent)
		if i.Created != 1 || i.Updated != 1 || i.Unsubscribed != 2 || i.Rejected != 1 {
			t.Fatalf("import came to %+v", i)
		}
		for _, email := range []string{"reader@example.com", "new@example.com"} {
			if got := k.reader(email).Status; got != newsletter.Unsubscribed {
				t.Errorf("%s is %s", email, got)
			}
		}
		if got := k.leavers.kinds(); !slices.Equal(got, []string{"unsubscribed", "unsubscribed"}) {
			t.Errorf("the log beside the database holds %v", got)
		}
		if len(k.notices(newsletter.NoticeRefusal)) != before {
			t.Error("an import mailed a notice of refusal")
		}
		if !strings.Contains(k.rejects(i.ID), "4,odd@example.com,모르는 구독 상태예요: vip") {
			t.Error("an unknown status was taken")
		}
	})
}

func TestImportAgainChangesNothing(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		text := "email,name,tags,ad_consent\na@example.com,하나,\"x,y\",Y\nb@example.com,둘,,N\n"
		k.importText(text, withConsent)
		a := k.reader("a@example.com")
		events, consents, _, err := k.SubscriberEvents(t.Context(), a.ID)
		k.must(err)
		if len(consents) != 2 || consents[0].Kind != newsletter.ConsentImported || consents[0].Source != withConsent.ConsentSource || consents[1].Kind != newsletter.ConsentAd {
			t.Errorf("consents %+v", consents)
		}
		k.clock.add(time.Hour)
		i := k.importText(text, withConsent)
		if i.Created != 0 || i.Updated != 2 {
			t.Fatalf("the second run came to %+v", i)
		}
		if again := k.reader("a@example.com"); !reflect.DeepEqual(a, again) {
			t.Errorf("became %+v", again)
		}
		eventsNow, consentsNow, _, err := k.SubscriberEvents(t.Context(), a.ID)
		k.must(err)
		if len(eventsNow) != len(events) || len(consentsNow) != len(consents) {
			t.Error("the second run wrote history")
		}
	})
}

func TestImportNeverOverrulesRefusedAdvertising(t *testing.T) {
	t.Parallel()
	k := newDesk(t)
	sub := k.addActive("a@example.com")
	for _, on := range []bool{true, false} {
		_, err := k.PatchSubscriber(t.Context(), "admin:1", sub.ID, newsletter.SubscriberPatch{AdConsent: &on})
		k.must(err)
	}
	k.importText("email,ad_consent\na@example.com,Y\n", withConsent)
	if k.reader("a@example.com").AdConsent {
		t.Error("a refusal was overruled")
	}
}

func TestImportPendingMailsWithinLimits(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		var b strings.Builder
		b.WriteString("email,status\n")
		for n := range 60 {
			fmt.Fprintf(&b, "r%d@example.com,active\n", n)
		}
		b.WriteString("gone@example.com,unsubscribed\n")
		o := newsletter.ImportOptions{As: newsletter.ImportPending}
		// A pending row that says nothing else of itself is asked; one that left is not.
		text := strings.ReplaceAll(b.String(), ",active", ",")
		i := k.importText(text, o)
		if i.Created != 61 || i.Unsubscribed != 1 {
			t.Fatalf("import came to %+v\n%s", i, k.rejects(i.ID))
		}
		notices := k.notices(newsletter.NoticeConfirm)
		latest := dbtest.Start
		for _, n := range notices {
			if n.DueAt.After(latest) {
				latest = n.DueAt
			}
			if n.Payload.Expires.Sub(n.DueAt) != 7*24*time.Hour {
				t.Fatalf("a link due %v expires %v", n.DueAt, n.Payload.Expires)
			}
		}
		if len(notices) != 60 || latest != dbtest.Start.Add(9*time.Second) {
			t.Errorf("%d confirmations, the last due %v", len(notices), latest)
		}
		k.importText(text, o)
		if got := len(k.notices(newsletter.NoticeConfirm)); got != 60 {
			t.Errorf("running again made it %d confirmations", got)
		}
		if k.reader("r1@example.com").Status != newsletter.Pending {
			t.Error("not pending")
		}
	})
}

func TestImportDryRunSavesNothing(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		o := withConsent
		o.DryRun = true
		i := k.importText("email,status\na@example.com,\nb@example.com,수신거부\nbad,\n", o)
		if i.Created != 2 || i.Unsubscribed != 1 || i.Rejected != 1 || !i.DryRun {
			t.Errorf("the dry run came to %+v", i)
		}
		counts, err := k.CountSubscribers(t.Context())
		k.must(err)
		if len(counts) != 0 || len(k.leavers.kinds()) != 0 {
			t.Errorf("it saved %v, %v", counts, k.leavers.kinds())
		}
		stored, err := k.Import(t.Context(), i.ID)
		k.must(err)
		if stored.Rows != 3 || stored.State != "done" || !strings.Contains(k.rejects(i.ID), "4,bad,") {
			t.Errorf("the report is %+v", stored)
		}
	})
}

func TestImportOptions(t *testing.T) {
	t.Parallel()
	k := newDesk(t)
	for _, c := range []struct {
		name   string
		o      newsletter.ImportOptions
		fields []string
	}{
		{"active needs evidence", newsletter.ImportOptions{As: newsletter.ImportActive, ConsentSource: "  "}, []string{"consent_source"}},
		{"nothing said means active", newsletter.ImportOptions{}, []string{"consent_source"}},
		{"unknown words", newsletter.ImportOptions{As: "vip", Format: "excel"}, []string{"as", "format"}},
	} {
		_, err := k.ImportSubscribers(t.Context(), "cli", strings.NewReader("email\na@example.com\n"), c.o)
		t.Run(c.name, func(t *testing.T) { wantFaults(t, err, c.fields...) })
	}
	for name, text := range map[string]string{"empty": "", "no addresses": "이름,나이\n하나,3\n", "blank": "\n\n\n"} {
		i, err := k.ImportSubscribers(t.Context(), "cli", strings.NewReader(text), withConsent)
		wantFaults(t, err, "file")
		if i.State != "failed" || i.Error == "" {
			t.Errorf("%s: %+v", name, i)
		}
	}
}

func TestImportWithoutHeader(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text string }{
		{"addresses alone", "a@example.com\nb@example.com\n"},
		{"addresses in another column", "하나\ta@example.com\n둘\tb@example.com\n"},
		{"a header that says nothing of addresses", "누구,연락처\n하나,a@example.com\n둘,b@example.com\n"},
		{"Excel's first line", "sep=;\nemail;이름\na@example.com;하나\nb@example.com;둘\n"},
		{"UTF-16 of Excel", utf16("이메일\t이름\r\na@example.com\t하나\r\nb@example.com\t둘\r\n")},
		{"header in odd spelling", "\ufeff E-Mail Address* ,NAME\na@example.com,x\nb@example.com,y\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := newDesk(t)
			i := k.importText(c.text, withConsent)
			if i.Created != 2 || i.Rejected != 0 {
				t.Fatalf("import came to %+v\n%s", i, k.rejects(i.ID))
			}
		})
	}
}

func utf16(s string) string {
	b := []byte{0xFF, 0xFE}
	for _, r := range s {
		b = append(b, byte(r), byte(r>>8))
	}
	return string(b)
}

// endless is a file of one line without end, as far as anybody reads.
type endless struct{ left int64 }

var manyXs = bytes.Repeat([]byte("x"), 64<<10)

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), e.left)], manyXs)
	e.left -= int64(n)
	return n, nil
}

// Not parallel: it counts what the process allocates.
func TestImportOfAnEndlessLine(t *testing.T) {
	k := newDesk(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	file := io.MultiReader(strings.NewReader("email\na@example.com\n\""), &endless{1 << 30}, strings.NewReader("\nb@example.com\n"))
	i, err := k.ImportSubscribers(t.Context(), "cli", file, withConsent)
	k.must(err)
	runtime.ReadMemStats(&after)
	if i.Rejected != 1 || i.Created != 2 {
		t.Errorf("import came to %+v", i)
	}
	if mb := (after.TotalAlloc - before.TotalAlloc) >> 20; mb > 16 {
		t.Errorf("a line of 1 GB cost %d MB", mb)
	}
}

// breaking fails after its text, as a browser that hangs up does.
type breaking struct{ io.Reader }

func (b breaking) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = errors.New("connection reset")
	}
	return n, err
}

func TestImportBreaksOffAndResumes(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		var b strings.Builder
		b.WriteString("email,memo\n")
		for n := range 5000 { // more than the beginning that is looked at for the encoding
			fmt.Fprintf(&b, "r%d@example.com,%s\n", n, strings.Repeat("x", 80))
		}
		i, err := k.ImportSubscribers(t.Context(), "cli", breaking{strings.NewReader(b.String())}, withConsent)
		if err == nil || i.State != "failed" || i.Created != 4000 {
			t.Fatalf("broke off with %v at %+v", err, i)
		}
		ctx, stop := context.WithCancel(t.Context())
		o := withConsent
		o.OnProgress = func(newsletter.Import) { stop() }
		i, err = k.ImportSubscribers(ctx, "cli", strings.NewReader(b.String()), o)
		if !errors.Is(err, context.Canceled) || i.Updated != 2000 {
			t.Fatalf("stopped with %v at %+v", err, i)
		}
		stored, err := k.Import(t.Context(), i.ID)
		k.must(err)
		if stored.State != "failed" || stored.Rows != 2000 {
			t.Errorf("the record of a stopped run is %+v", stored)
		}
		i = k.importText(b.String(), withConsent)
		if i.Created != 1000 || i.Updated != 4000 {
			t.Errorf("resumed to %+v", i)
		}
	})
}

func TestExportAndImportIntoAnEmptyHouse(t *testing.T) {
	eachDesk(t, func(t *testing.T, k *desk) {
		ctx := t.Context()
		k.importText("email,name,tags,ad_consent,source\n=cmd@example.com,=1+1,\"x,=y\",Y,행사\nb@example.com,\"둘, 셋\",,N,\n", withConsent)
		k.clock.add(1234 * time.Millisecond)
		left := k.addActive("left@example.com")
		_, err := k.UnsubscribeReader(ctx, "cli", left.ID)
		k.must(err)
		resting := k.addActive("resting@example.com")
		until := k.clock.Now().Add(14 * 24 * time.Hour)
		_, err = k.PatchSubscriber(ctx, "cli", resting.ID, newsletter.SubscriberPatch{PausedUntil: &until})
		k.must(err)
		k.addActive("hard@example.com")
		_, err = k.Suppress(ctx, "cli", "hard@example.com", newsletter.SuppressedHard, "550")
		k.must(err)
		_, err = k.AddSubscriber(ctx, "cli", newsletter.NewSubscriber{Email: "pending@example.com", Via: "cli"})
		k.must(err)
		_, err = k.Suppress(ctx, "cli", "pending@example.com", newsletter.SuppressedManual, "")
		k.must(err)

		first := k.export(newsletter.ExportCSV)
		other := newDesk(t)
		other.clock.add(48 * time.Hour)
		i := other.importText(first, withConsent)
		if i.Created != 6 || i.Format != "techissue" {
			t.Fatalf("import came to %+v\n%s", i, other.rejects(i.ID))
		}
		if second := other.export(newsletter.ExportCSV); sortedLines(second) != sortedLines(first) {
			t.Errorf("the copy differs:\n%s\n%s", sortedLines(first), sortedLines(second))
		}
		if k.audited("export") != 1 {
			t.Error("the export was not audited")
		}
	})
}

func (k *desk) export(format string) string {
	k.t.Helper()
	var b bytes.Buffer
	n, err := k.ExportSubscribers(k.t.Context(), "cli", &b, newsletter.SubscriberFilter{}, format)
	k.must(err)
	if n == 0 {
		k.t.Fatal("nothing was exported")
	}
	return b.String()
}

func sortedLines(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestExportForSpreadsheets(t *testing.T) {
	t.Parallel()
	k := newDesk(t)
	k.importText("email,name\na@example.com,=1+1\nb@example.com,＝1+1\nc@example.com,＠sum\nd@example.com,-7\ne@example.com,+82\n", withConsent)
	_, err := k.AddSubscriber(t.Context(), "cli", newsletter.NewSubscriber{Email: "pending@example.com", Via: "cli"})
	k.must(err)
	safe := k.export(newsletter.ExportSafe)
	if !strings.HasPrefix(safe, "\ufeffemail,name,status,") {
		t.Errorf("begins %.40q", safe)
	}
	for _, cell := range []string{",'=1+1,", ",'＝1+1,", ",'＠sum,", ",'-7,", ",'+82,"} {
		if !strings.Contains(safe, cell) {
			t.Errorf("lacks %s", cell)
		}
	}
	stibee := k.export(newsletter.ExportStibee)
	if !strings.HasPrefix(stibee, "\ufeff이메일 주소,이름,") || strings.Contains(stibee, "pending@") {
		t.Errorf("for Stibee:\n%s", stibee)
	}
	other := newDesk(t)
	if i := other.importText(stibee, withConsent); i.Format != "stibee" || i.Created != 5 {
		t.Errorf("Stibee's form came back as %+v", i)
	}
	_, err = k.ExportSubscribers(t.Context(), "cli", io.Discard, newsletter.SubscriberFilter{}, "xlsx")
	wantFaults(t, err, "format")
}

// Lines a second of a Stibee file into an empty house on SQLite: whoever moves in with 100,000 readers waits for seconds.
func BenchmarkImport(b *testing.B) {
	var file strings.Builder
	file.WriteString("이메일 주소,이름,추가 경로,그룹,광고성 정보 수신 동의,구독일\n")
	const readers = 20_000
	for n := range readers {
		fmt.Fprintf(&file, "reader%d@example%d.com,김민지,구독 폼,개발자,%s,2024.03.05 09:12:33\n", n, n%50, "YN"[n%2:n%2+1])
	}
	for range b.N {
		b.StopTimer()
		svc := importHouse(b)
		b.StartTimer()
		if _, err := svc.ImportSubscribers(b.Context(), "cli", strings.NewReader(file.String()), withConsent); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(readers*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

func importHouse(b *testing.B) *newsletter.Service {
	b.Helper()
	keys, err := newsletter.NewKeyring([]string{"a secret of these tests only"}, nil)
	if err != nil {
		b.Fatal(err)
	}
	svc, err := newsletter.NewService(b.Context(), newsletter.Options{
		Store: db.Store{DB: dbtest.New(b)}, Keys: func() newsletter.Keyring { return keys }, Now: func() time.Time { return dbtest.Start },
	})
	if err != nil {
		b.Fatal(err)
	}
	return svc
}
