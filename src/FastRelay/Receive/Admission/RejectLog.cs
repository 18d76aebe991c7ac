using System.Net;
using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>How a receive session ended, for <c>reason</c> of <c>event=disconnect</c>.</summary>
internal enum SessionEnd : byte
{
    /// <summary>The client closed, or the connection broke.</summary>
    Lost,

    /// <summary>The client said QUIT.</summary>
    Quit,

    /// <summary>The client was too slow: to say something, or to take what it was told.</summary>
    Timeout,

    /// <summary>We closed behind an error: too many of them, a bound of the session, another protocol.</summary>
    Errors,

    /// <summary>TLS could not begin: <c>event=tls_failed</c> says why.</summary>
    Tls,

    /// <summary>The relay stops.</summary>
    Shutdown,
}

/// <summary>
/// What sessions are refused, for counters and log: the first refusals of a session have a line each (<c>event=reject</c>), all of
/// them are in the number of <c>event=disconnect</c>. A command that is taken costs a comparison.
/// </summary>
/// <param name="receiver">Counts and logs.</param>
internal sealed class RejectLog(Receiver receiver)
{
    /// <summary>Refusals of one session that have a line of the log: one client cannot fill it.</summary>
    public const int LinesMax = 5;

    /// <summary>Octets of an argument that is no path, which are shown.</summary>
    private const int ArgumentMax = 256;

    /// <summary>The envelope as it is now: a refusal may end its transaction, and what was seen of it can be read until the next MAIL.</summary>
    public static Envelope Before(EnvelopeBuilder envelope) => envelope.Encoded.IsEmpty ? default : envelope.View;

    /// <summary>A line was answered.</summary>
    /// <param name="session">Keeps the count.</param>
    /// <param name="client">Who it is.</param>
    /// <param name="step">How.</param>
    /// <param name="reply">What was said, and more.</param>
    /// <param name="line">The client's, empty when it is none.</param>
    /// <param name="secret">It belongs to an AUTH exchange: nothing of it is shown.</param>
    /// <param name="before">The envelope before it.</param>
    public void Line(SessionClock session, IPEndPoint client, in ReceiveStep step, ReadOnlySpan<byte> reply, ReadOnlySpan<byte> line, bool secret, in Envelope before)
    {
        if (IsRefused(session, step, reply))
        {
            Reject(client, reply, secret ? default : Command.Parse(line), secret ? "auth"u8 : default, before);
        }
    }

    /// <summary>The content, a chunk of it or a password was answered.</summary>
    /// <param name="session">Keeps the count.</param>
    /// <param name="client">Who it is.</param>
    /// <param name="step">How.</param>
    /// <param name="reply">What was said, and more.</param>
    /// <param name="stage">What it was.</param>
    /// <param name="before">The envelope before it.</param>
    public void Answer(SessionClock session, IPEndPoint client, in ReceiveStep step, ReadOnlySpan<byte> reply, ReadOnlySpan<byte> stage, in Envelope before)
    {
        if (IsRefused(session, step, reply))
        {
            Reject(client, reply, default, stage, before);
        }
    }

    private bool IsRefused(SessionClock session, in ReceiveStep step, ReadOnlySpan<byte> reply)
    {
        if (step.ReplyLength == 0)
        {
            return false;
        }
        receiver.Count(reply);
        bool refused = reply[0] is (byte)'4' or (byte)'5';
        if (step.Action == ReceiveAction.Close)
        {
            session.End = refused ? SessionEnd.Errors : SessionEnd.Quit;
        }
        return refused && ++session.Refused <= LinesMax;
    }

    private void Reject(IPEndPoint client, ReadOnlySpan<byte> reply, in Command command, ReadOnlySpan<byte> stage, in Envelope before)
    {
        LogLine line = receiver.RejectLine().Add("peer"u8, client).Add("stage"u8, stage.IsEmpty ? Stage(command.Verb) : stage);
        if (command.Verb == Verb.Mail)
        {
            line = line.Add("from"u8, Shown(command.Argument, MailPath.ParseReverse(command.Argument, true, out MailPath path, out _), path));
        }
        else if (!before.Encoded.IsEmpty)
        {
            line = line.Add("from"u8, before.ReversePath);
            if (command.Verb == Verb.Rcpt)
            {
                line = line.Add("to"u8, Shown(command.Argument, MailPath.ParseForward(command.Argument, true, out MailPath path, out _), path));
            }
            else if (before.RecipientCount > 0)
            {
                line = line.Add("to"u8, before.Recipient(0));
            }
        }
        // What follows its first line is "too many errors", which the disconnect says.
        line.Add("reply"u8, reply[..reply.IndexOf("\r\n"u8)]).Write();
    }

    private static ReadOnlySpan<byte> Shown(ReadOnlySpan<byte> argument, PathStatus status, in MailPath path) =>
        status == PathStatus.Ok ? path.Mailbox : argument[..Math.Min(argument.Length, ArgumentMax)];

    // Nothing of a command that nobody knows is shown: it may be a password in the wrong place.
    private static ReadOnlySpan<byte> Stage(Verb verb) => verb switch
    {
        Verb.Ehlo or Verb.Helo => "ehlo"u8,
        Verb.StartTls => "starttls"u8,
        Verb.Auth => "auth"u8,
        Verb.Mail => "mail"u8,
        Verb.Rcpt => "rcpt"u8,
        Verb.Data => "data"u8,
        Verb.Bdat => "bdat"u8,
        _ => "command"u8,
    };
}
