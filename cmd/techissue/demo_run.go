package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"techissue/db"
	"techissue/handlers"
	"techissue/mailer"
	"techissue/mailer/smtptest"
	"techissue/newsletter"
)

// demoRun opens the doors, tells where everything is, and lets the sample issue go.
func (a *app) demoRun(ctx context.Context, o demoOptions, box *smtptest.Server, number int) error {
	a.newQueue(func(q *mailer.Options) {
		q.Rate = o.rate
		q.Retries = newsletter.RetrySchedule{3 * time.Second, 6 * time.Second, 12 * time.Second}
		q.Breaker = time.Second
	})
	parts := newParts(ctx)
	parts.run("mailer", a.runQueue)
	parts.run("views", a.keepViews)
	started := make(chan struct{})
	var once sync.Once
	start := func() { once.Do(func() { close(started) }) }
	demo := &handlers.Demo{Bar: "데모 · 실제로 발송하지 않습니다", Mailbox: &mailbox{server: box}, OnFirstView: start}
	err := a.listen(parts, demo)
	if err == nil {
		err = a.demoGreet(ctx, o, number)
	}
	if err != nil {
		parts.stop()
		return errors.Join(err, parts.wait())
	}
	if !o.noSend {
		go onEnter(start) // ends with the process: nothing can take a read of the terminal back
		parts.run("sample send", func(ctx context.Context) error { return a.sampleSend(ctx, number, started) })
	}
	parts.run("sample progress", func(ctx context.Context) error { return a.watchSample(ctx, number) })
	parts.run("sample readers", (&sampleReaders{box: box, base: a.cfg.BaseURL}).run)
	return parts.wait()
}

// onEnter calls start when somebody presses Enter.
func onEnter(start func()) {
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err == nil {
		start()
	}
}

// demoGreet prints the tree. Its figures are read from the house, so that a kept demo tells the truth.
func (a *app) demoGreet(ctx context.Context, o demoOptions, number int) error {
	enter, err := a.svc.EnterToken(ctx)
	if err != nil {
		return err
	}
	steps, err := a.db.MigrationStatus(ctx)
	if err != nil {
		return err
	}
	samples, err := a.sampleFigures(ctx, number)
	if err != nil {
		return err
	}
	note := "removed when you leave"
	if o.keep != "" {
		note = "kept"
	}
	base := a.cfg.BaseURL
	fmt.Printf("테크잇슈 demo is ready.   data: %s (%s)\n", a.cfg.Data, note)
	fmt.Printf(" ✓ database   %s\n", plural(int64(len(steps)), "migration"))
	fmt.Printf(" ✓ samples    %s\n", samples)
	fmt.Printf(" ✓ mailbox    %s, no mail leaves this machine\n", a.cfg.relay.Addr())
	fmt.Printf(" ├─ site      %s/\n", base)
	fmt.Printf(" ├─ admin     %s/admin/enter?t=%s    (a page with one button that signs you in, 30 minutes)\n", base, enter)
	fmt.Printf(" ├─ watch it  %s/admin/issues/%d/send\n └─ mailbox   %s/mailbox\n", base, number, base)
	if !o.noSend {
		fmt.Printf("Open a page, or press Enter, and issue %d goes out.\n", number)
	}
	fmt.Println("Ctrl+C to leave · next: \"Run it for real\" in README.md")
	return nil
}

func (a *app) sampleFigures(ctx context.Context, number int) (string, error) {
	issue, err := a.svc.Issue(ctx, number)
	if err != nil {
		return "", err
	}
	articles, _, err := a.svc.Articles(ctx, newsletter.ArticleFilter{Limit: 200})
	if err != nil {
		return "", err
	}
	comments, err := a.svc.CountComments(ctx)
	if err != nil {
		return "", err
	}
	said := comments[newsletter.CommentPublished] + comments[newsletter.CommentPending]
	var readers map[newsletter.Status]int64
	err = a.db.View(ctx, func(tx *db.Tx) (err error) {
		readers, err = tx.CountSubscribers(ctx)
		return err
	})
	if err != nil {
		return "", err
	}
	var all int64
	for _, n := range readers {
		all += n
	}
	state := "is " + string(issue.State)
	if issue.State == newsletter.IssueDraft {
		state = "ready to go"
	}
	return fmt.Sprintf("%s · %s · issue %d %s · 1 reader + %s", plural(int64(len(articles)), "article"), plural(said, "comment"), number, state, plural(all-1, "made-up reader")), nil
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(n) + " " + noun + "s"
}

// sampleSend sends the sample issue a moment after the first page view: whoever looked sees the page before the numbers move.
func (a *app) sampleSend(ctx context.Context, number int, started <-chan struct{}) error {
	select {
	case <-started:
	case <-ctx.Done():
		return nil
	}
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return nil
	}
	_, err := a.svc.SendIssue(ctx, "system", number, 0)
	if newsletter.KindOf(err) == newsletter.Conflict || ctx.Err() != nil { // sent by hand already, or a kept folder
		return nil
	}
	return err
}

// watchSample shows the sending, whoever began it, until it ends.
func (a *app) watchSample(ctx context.Context, number int) error {
	tick := time.NewTicker(barRedraw)
	defer tick.Stop()
	b := newBar(fmt.Sprintf("issue %d", number), os.Stdout)
	defer b.leave()
	for begun := false; ; {
		p, err := a.svc.Progress(ctx, number)
		switch {
		case ctx.Err() != nil, newsletter.KindOf(err) == newsletter.NotFound: // a draft may be deleted
			return nil
		case err != nil:
			return err
		case p.State == newsletter.IssueDone || p.State == newsletter.IssueCancelled:
			if begun {
				b.end(settled(p), p.Recipients, progressNote(p))
			}
			return nil
		case p.State == newsletter.IssueSending || p.State == newsletter.IssuePaused:
			begun = true
			b.show(settled(p), p.Recipients, progressNote(p))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// settled counts the letters that nothing more will happen to.
func settled(p newsletter.Progress) (n int64) {
	for _, s := range []newsletter.DeliveryState{newsletter.Sent, newsletter.Failed, newsletter.Expired, newsletter.Skipped, newsletter.Cancelled} {
		n += p.Counts[s]
	}
	return n
}

// progressNote names what did not simply go through.
func progressNote(p newsletter.Progress) string {
	var notes []string
	for _, n := range []struct {
		name  string
		count int64
	}{
		{"deferred", p.Deferred}, {"bounced", p.Counts[newsletter.Failed]}, {"uncertain", p.Counts[newsletter.Uncertain]},
		{"expired", p.Counts[newsletter.Expired]}, {"skipped", p.Counts[newsletter.Skipped]}, {"cancelled", p.Counts[newsletter.Cancelled]},
	} {
		if n.count > 0 {
			notes = append(notes, fmt.Sprintf("%s %s", n.name, grouped(n.count)))
		}
	}
	if p.State == newsletter.IssuePaused {
		notes = append(notes, "paused")
	}
	return strings.Join(notes, " · ")
}
