package handlers

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"techissue/newsletter"
)

// issueBody is what a program may set of an issue. What is left out stays as it is.
type issueBody struct {
	Number           *int                 `json:"number,omitempty" minimum:"1"`
	Subject          *string              `json:"subject,omitempty"`
	Preheader        *string              `json:"preheader,omitempty"`
	Kind             *string              `json:"kind,omitempty" enum:"info,ad"`
	WithoutAdConsent *string              `json:"without_ad_consent,omitempty" enum:"skip,info_edition"`
	ExpiresAt        *time.Time           `json:"expires_at,omitempty"`
	Uncertain        *string              `json:"uncertain,omitempty" enum:"resend_once,hold"`
	Tracking         *bool                `json:"tracking,omitempty"`
	Intro            *string              `json:"intro,omitempty"`
	Links            *[]apiLink           `json:"links,omitempty"`
	Articles         *[]string            `json:"articles,omitempty"`
	Outro            *string              `json:"outro,omitempty"`
	Audience         *newsletter.Audience `json:"audience,omitempty"`
	SentAt           *time.Time           `json:"sent_at,omitempty"`
	Archived         *bool                `json:"archived,omitempty"`
}

type apiLink struct {
	URL     string `json:"url"`
	Title   string `json:"title,omitempty"`
	Source  string `json:"source,omitempty"`
	Summary string `json:"summary,omitempty"`
}

func set[T, S ~string](into *T, from *S, as func(S) T) {
	if from != nil {
		*into = as(*from)
	}
}

func (b issueBody) fill(i *newsletter.Issue) error {
	same := func(s string) string { return s }
	set(&i.Subject, b.Subject, same)
	set(&i.Preheader, b.Preheader, same)
	set(&i.Intro, b.Intro, same)
	set(&i.Outro, b.Outro, same)
	set(&i.WithoutAdConsent, b.WithoutAdConsent, same)
	set(&i.Kind, b.Kind, func(s string) newsletter.IssueKind { return newsletter.IssueKind(s) })
	set(&i.Uncertain, b.Uncertain, func(s string) newsletter.UncertainPolicy { return newsletter.UncertainPolicy(s) })
	if b.Number != nil {
		i.Number = *b.Number
	}
	if b.ExpiresAt != nil {
		i.ExpiresAt = b.ExpiresAt.UTC()
	}
	if b.Tracking != nil {
		i.Tracking = *b.Tracking
	}
	if b.Links != nil {
		i.Links = nil
		for _, l := range *b.Links {
			i.Links = append(i.Links, newsletter.RoundupLink(l))
		}
	}
	if b.Articles != nil {
		i.Content.Articles = *b.Articles
	}
	if b.Audience != nil {
		i.Audience = *b.Audience
	}
	return nil
}

// apiIssue is an issue as programs see it.
type apiIssue struct {
	Number      int                 `json:"number"`
	State       string              `json:"state"`
	Subject     string              `json:"subject"`
	Preheader   string              `json:"preheader"`
	Kind        string              `json:"kind"`
	Uncertain   string              `json:"uncertain"`
	Intro       string              `json:"intro"`
	Links       []apiLink           `json:"links"`
	Articles    []string            `json:"articles"`
	Outro       string              `json:"outro"`
	Audience    newsletter.Audience `json:"audience"`
	Archived    bool                `json:"archived"`
	Recipients  int64               `json:"recipients"`
	ScheduledAt *time.Time          `json:"scheduled_at"`
	SentAt      *time.Time          `json:"sent_at"`
	CreatedAt   time.Time           `json:"created_at"`
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func apiIssueOf(i newsletter.Issue) apiIssue {
	links := make([]apiLink, len(i.Links))
	for n, l := range i.Links {
		links[n] = apiLink(l)
	}
	return apiIssue{
		Number: i.Number, State: string(i.State), Subject: i.Subject, Preheader: i.Preheader, Kind: string(i.Kind), Uncertain: string(i.Uncertain),
		Intro: i.Intro, Links: links, Articles: append([]string{}, i.Content.Articles...), Outro: i.Outro, Audience: i.Audience, Archived: i.Archived,
		Recipients: i.Recipients, ScheduledAt: timeOrNil(i.ScheduledAt), SentAt: timeOrNil(i.SentAt()), CreatedAt: i.CreatedAt,
	}
}

// NumberInput names an issue. It is exported because huma looks into embedded structs only then.
type NumberInput struct {
	N int `path:"n" minimum:"1"`
}

type issueOutput struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     apiIssue
}

func issueAnswer(i newsletter.Issue, err error) (*issueOutput, error) {
	if err != nil {
		return nil, err
	}
	return &issueOutput{ETag: fmt.Sprintf(`"%d"`, i.Version), Location: fmt.Sprintf("/api/v1/issues/%d", i.Number), Body: apiIssueOf(i)}, nil
}

func (s *server) mountIssues(a *api) {
	read, write, send := newsletter.ScopeIssuesRead, newsletter.ScopeIssuesWrite, newsletter.ScopeIssuesSend
	operation(a, "POST", "/issues", write, http.StatusCreated, func(ctx context.Context, in *struct{ Body issueBody }) (*issueOutput, error) {
		i := newsletter.Issue{}
		if err := in.Body.fill(&i); err != nil {
			return nil, err
		}
		if in.Body.Archived != nil && *in.Body.Archived {
			i.Archived = true
			if in.Body.SentAt != nil {
				i.AcceptedAt = in.Body.SentAt.UTC()
			}
		}
		return issueAnswer(s.svc.CreateIssue(ctx, actorIn(ctx), i))
	})
	operation(a, "GET", "/issues", read, 0, func(ctx context.Context, in *struct {
		ListInput
		State string `query:"state"`
	}) (*listOutput[apiIssue], error) {
		rows, more, err := s.svc.Issues(ctx, newsletter.IssueFilter{State: newsletter.IssueState(in.State), Query: in.Q, Cursor: in.cursor(), Limit: in.Limit})
		return listAnswer(rows, more, err, apiIssueOf, func(i newsletter.Issue) int64 { return int64(i.Number) })
	})
	operation(a, "GET", "/issues/{n}", read, 0, func(ctx context.Context, in *NumberInput) (*issueOutput, error) {
		return issueAnswer(s.svc.Issue(ctx, in.N))
	})
	operation(a, "PATCH", "/issues/{n}", write, 0, func(ctx context.Context, in *struct {
		NumberInput
		IfMatch string `header:"If-Match"`
		Body    issueBody
	}) (*issueOutput, error) {
		version, err := versionOf(in.IfMatch)
		if err != nil {
			return nil, err
		}
		return issueAnswer(s.svc.UpdateIssue(ctx, actorIn(ctx), in.N, in.Body.fill, version))
	})
	operation(a, "DELETE", "/issues/{n}", write, http.StatusNoContent, func(ctx context.Context, in *NumberInput) (*struct{}, error) {
		return nil, s.svc.DeleteIssue(ctx, actorIn(ctx), in.N)
	})
	operation(a, "POST", "/issues/{n}/check", read, http.StatusOK, func(ctx context.Context, in *NumberInput) (*struct {
		Body struct {
			Checks []newsletter.Check `json:"checks"`
		}
	}, error) {
		checks, err := s.svc.CheckIssue(ctx, in.N)
		if err != nil {
			return nil, err
		}
		out := &struct {
			Body struct {
				Checks []newsletter.Check `json:"checks"`
			}
		}{}
		out.Body.Checks = checks
		return out, nil
	})
	operation(a, "POST", "/issues/{n}/schedule", send, http.StatusOK, func(ctx context.Context, in *struct {
		NumberInput
		Body struct {
			At time.Time `json:"at"`
		}
	}) (*issueOutput, error) {
		return issueAnswer(s.svc.ScheduleIssue(ctx, actorIn(ctx), in.N, in.Body.At))
	})
	operation(a, "POST", "/issues/{n}/send", send, http.StatusAccepted, func(ctx context.Context, in *NumberInput) (*issueOutput, error) {
		out, err := issueAnswer(s.svc.SendIssue(ctx, actorIn(ctx), in.N, 0))
		if err == nil {
			out.Location = fmt.Sprintf("/api/v1/issues/%d/progress", in.N)
		}
		return out, err
	})
	for verb, step := range map[string]func(context.Context, string, int) (newsletter.Issue, error){
		"pause": s.svc.PauseIssue, "resume": s.svc.ResumeIssue, "cancel": s.svc.CancelIssue,
	} {
		operation(a, "POST", "/issues/{n}/"+verb, send, http.StatusOK, func(ctx context.Context, in *NumberInput) (*issueOutput, error) {
			return issueAnswer(step(ctx, actorIn(ctx), in.N))
		})
	}
	s.mountLetters(a)
}

// apiProgress counts an issue's letters; the nine add up to recipients.
type apiProgress struct {
	State         string     `json:"state"`
	Recipients    int64      `json:"recipients"`
	Queued        int64      `json:"queued"`
	Leased        int64      `json:"leased"`
	Handing       int64      `json:"handing"`
	Sent          int64      `json:"sent"`
	Failed        int64      `json:"failed"`
	Expired       int64      `json:"expired"`
	Uncertain     int64      `json:"uncertain"`
	Skipped       int64      `json:"skipped"`
	Cancelled     int64      `json:"cancelled"`
	RatePerSecond float64    `json:"rate_per_second"`
	ETASeconds    int64      `json:"eta_seconds"`
	Alerts        []apiAlert `json:"alerts"`
}

type apiAlert struct {
	Kind string    `json:"kind"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

type apiDelivery struct {
	ID       int64        `json:"id"`
	Email    string       `json:"email"`
	State    string       `json:"state"`
	Reason   string       `json:"reason"`
	Attempts int          `json:"attempts"`
	Reply    string       `json:"reply"`
	FirstAt  *time.Time   `json:"first_at"`
	DoneAt   *time.Time   `json:"done_at"`
	Log      []apiAttempt `json:"attempt_log,omitempty"`
}

type apiAttempt struct {
	At      time.Time `json:"at"`
	Stage   string    `json:"stage"`
	Code    int       `json:"code"`
	Text    string    `json:"text"`
	Outcome string    `json:"outcome"`
}

func apiDeliveryOf(d newsletter.Delivery) apiDelivery {
	return apiDelivery{
		ID: int64(d.ID), Email: d.Email, State: string(d.State), Reason: d.Reason, Attempts: d.Attempts, Reply: d.Reply,
		FirstAt: timeOrNil(d.FirstAt), DoneAt: timeOrNil(d.DoneAt),
	}
}

func (s *server) mountLetters(a *api) {
	read, send := newsletter.ScopeIssuesRead, newsletter.ScopeIssuesSend
	operation(a, "GET", "/issues/{n}/progress", read, 0, func(ctx context.Context, in *NumberInput) (*struct{ Body apiProgress }, error) {
		p, err := s.svc.Progress(ctx, in.N)
		if err != nil {
			return nil, err
		}
		c := p.Counts
		out := apiProgress{
			State: string(p.State), Recipients: p.Recipients, Queued: c[newsletter.Queued], Leased: c[newsletter.Leased], Handing: c[newsletter.Handing],
			Sent: c[newsletter.Sent], Failed: c[newsletter.Failed], Expired: c[newsletter.Expired], Uncertain: c[newsletter.Uncertain],
			Skipped: c[newsletter.Skipped], Cancelled: c[newsletter.Cancelled], RatePerSecond: p.Rate, ETASeconds: int64(p.ETA.Seconds()), Alerts: []apiAlert{},
		}
		for _, al := range p.Alerts {
			out.Alerts = append(out.Alerts, apiAlert{al.Kind, al.Text, al.At})
		}
		return &struct{ Body apiProgress }{out}, nil
	})
	operation(a, "GET", "/issues/{n}/deliveries", read, 0, func(ctx context.Context, in *struct {
		NumberInput
		ListInput
		State string `query:"state"`
	}) (*listOutput[apiDelivery], error) {
		rows, more, err := s.svc.Deliveries(ctx, in.N, newsletter.DeliveryFilter{State: newsletter.DeliveryState(in.State), Query: in.Q, Cursor: in.cursor(), Limit: in.Limit})
		return listAnswer(rows, more, err, apiDeliveryOf, func(d newsletter.Delivery) int64 { return int64(d.ID) })
	})
	type one = struct {
		ID int64 `path:"id"`
	}
	operation(a, "GET", "/deliveries/{id}", read, 0, func(ctx context.Context, in *one) (*struct{ Body apiDelivery }, error) {
		d, attempts, err := s.svc.Delivery(ctx, newsletter.DeliveryID(in.ID))
		if err != nil {
			return nil, err
		}
		out := apiDeliveryOf(d)
		for _, at := range attempts {
			out.Log = append(out.Log, apiAttempt{at.At, string(at.Reply.Stage), at.Reply.Code, at.Reply.Text, at.Outcome})
		}
		return &struct{ Body apiDelivery }{out}, nil
	})
	operation(a, "POST", "/deliveries/{id}/resend", send, http.StatusOK, func(ctx context.Context, in *one) (*struct{ Body apiDelivery }, error) {
		d, err := s.svc.ResendDelivery(ctx, actorIn(ctx), newsletter.DeliveryID(in.ID))
		return &struct{ Body apiDelivery }{apiDeliveryOf(d)}, err
	})
	operation(a, "POST", "/deliveries/{id}/mark-sent", send, http.StatusOK, func(ctx context.Context, in *one) (*struct{ Body apiDelivery }, error) {
		d, err := s.svc.MarkSent(ctx, actorIn(ctx), newsletter.DeliveryID(in.ID))
		return &struct{ Body apiDelivery }{apiDeliveryOf(d)}, err
	})
}

// versionOf reads If-Match; "" is any version.
func versionOf(etag string) (int64, error) {
	if etag == "" || etag == "*" {
		return 0, nil
	}
	raw, err := strconv.Unquote(etag)
	if err != nil {
		raw = etag
	}
	v, err := strconv.ParseInt(raw, 10, 64)
	if err != nil {
		return 0, &newsletter.Error{Kind: newsletter.Invalid, Field: "If-Match", Msg: "If-Match를 읽을 수 없어요."}
	}
	return v, nil
}
