package handlers

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"techissue/newsletter"
)

type apiSubscriber struct {
	ID          int64      `json:"id"`
	Email       string     `json:"email"`
	Name        string     `json:"name"`
	Status      string     `json:"status"`
	Tags        []string   `json:"tags"`
	Source      string     `json:"source"`
	AdConsent   bool       `json:"ad_consent"`
	PausedUntil *time.Time `json:"paused_until"`
	ConfirmedAt *time.Time `json:"confirmed_at"`
	CreatedAt   time.Time  `json:"created_at"`
}

func apiSubscriberOf(r newsletter.Subscriber) apiSubscriber {
	return apiSubscriber{
		ID: int64(r.ID), Email: r.Email.String(), Name: r.Name, Status: string(r.Shown()), Tags: append([]string{}, r.Tags...), Source: r.Source,
		AdConsent: r.AdConsent, PausedUntil: timeOrNil(r.PausedUntil), ConfirmedAt: timeOrNil(r.ConfirmedAt), CreatedAt: r.CreatedAt,
	}
}

type subscriberOutput struct {
	Location string `header:"Location"`
	Body     apiSubscriber
}

func subscriberAnswer(r newsletter.Subscriber, err error) (*subscriberOutput, error) {
	if err != nil {
		return nil, err
	}
	return &subscriberOutput{Location: fmt.Sprintf("%s/subscribers/%d", apiPrefix, r.ID), Body: apiSubscriberOf(r)}, nil
}

// newSubscriberBody is a reader brought by a program: pending mails the confirmation, active needs the consent.
type newSubscriberBody struct {
	Email   string   `json:"email"`
	Name    string   `json:"name,omitempty"`
	Tags    []string `json:"tags,omitempty"`
	Status  string   `json:"status,omitempty" enum:"pending,active"`
	Consent *struct {
		Source      string    `json:"source"`
		At          time.Time `json:"at,omitempty"`
		TextVersion string    `json:"text_version,omitempty"`
	} `json:"consent,omitempty"`
}

func (s *server) mountReaders(a *api) {
	read, write := newsletter.ScopeSubscribersRead, newsletter.ScopeSubscribersWrite
	type one = struct {
		ID int64 `path:"id"`
	}
	operation(a, "POST", "/subscribers", write, http.StatusCreated, func(ctx context.Context, in *struct{ Body newSubscriberBody }) (*subscriberOutput, error) {
		n := newsletter.NewSubscriber{Email: in.Body.Email, Name: in.Body.Name, Tags: in.Body.Tags, Status: newsletter.Status(in.Body.Status), Via: "api"}
		if n.Status == "" {
			n.Status = newsletter.Pending
		}
		if c := in.Body.Consent; c != nil {
			n.ConsentSource, n.ConsentAt, n.TextVersion = c.Source, c.At, c.TextVersion
		}
		return subscriberAnswer(s.svc.AddSubscriber(ctx, actorIn(ctx), n))
	})
	operation(a, "GET", "/subscribers", read, 0, func(ctx context.Context, in *struct {
		ListInput
		Status string `query:"status"`
		Tag    string `query:"tag"`
	}) (*listOutput[apiSubscriber], error) {
		rows, more, err := s.svc.Subscribers(ctx, newsletter.SubscriberFilter{Query: in.Q, Status: newsletter.Status(in.Status), Tag: in.Tag, Cursor: in.cursor(), Limit: in.Limit})
		return listAnswer(rows, more, err, apiSubscriberOf, func(r newsletter.Subscriber) int64 { return int64(r.ID) })
	})
	operation(a, "GET", "/subscribers/{id}", read, 0, func(ctx context.Context, in *one) (*subscriberOutput, error) {
		return subscriberAnswer(s.svc.Subscriber(ctx, newsletter.SubscriberID(in.ID)))
	})
	operation(a, "DELETE", "/subscribers/{id}", write, http.StatusNoContent, func(ctx context.Context, in *one) (*struct{}, error) {
		return nil, s.svc.EraseReader(ctx, actorIn(ctx), newsletter.SubscriberID(in.ID))
	})
	operation(a, "POST", "/subscribers/{id}/unsubscribe", write, http.StatusOK, func(ctx context.Context, in *one) (*subscriberOutput, error) {
		return subscriberAnswer(s.svc.UnsubscribeReader(ctx, actorIn(ctx), newsletter.SubscriberID(in.ID)))
	})
}
