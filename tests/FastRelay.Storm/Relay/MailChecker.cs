using System.Text;
using System.Text.RegularExpressions;

namespace FastRelay.Storm;

/// <summary>
/// The invariants of a relay, from outside: what clients were told, what sinks took, what notifications and the log say.
/// </summary>
internal sealed partial class MailChecker(SimUniverse universe)
{
    private readonly Dictionary<string, MailMessage> _messages = [];

    /// <summary>How many groups the running relay has made durable.</summary>
    public Func<long> DurableGroups { get; set; } = static () => 0;

    /// <summary>Which life of the relay this is.</summary>
    public int Life { get; private set; }

    public IReadOnlyCollection<MailMessage> Messages => _messages.Values;

    public int Acknowledged => _messages.Values.Count(static m => m.State == MailState.Acknowledged);

    public void Add(MailMessage message) => _messages.Add(message.Token, message);

    /// <summary>A client got its final reply.</summary>
    public void Replied(MailMessage message, PeerReply reply)
    {
        universe.Trace.Add("final reply", message.Token, reply.Code);
        universe.Faults.Hit($"relay: final reply {reply.Code}");
        if (reply.IsPositive)
        {
            universe.Require(reply.Text.StartsWith("2.0.0 queued as ", StringComparison.Ordinal), $"an odd final reply: {reply.Text}");
            message.State = MailState.Acknowledged;
        }
        else
        {
            message.State = MailState.Refused;
            message.RefusedAtGroup = DurableGroups();
        }
    }

    /// <summary>A sink took a message for a recipient.</summary>
    /// <returns>The recipients that it counted for; the session marks them when it ends in doubt.</returns>
    public List<MailRecipient> Taken(string sender, IReadOnlyList<string> mailboxes, byte[] content)
    {
        if (sender.Length == 0 && Header(content).Contains("report-type=delivery-status", StringComparison.Ordinal))
        {
            return TakenBounce(mailboxes, content);
        }
        var taken = new List<MailRecipient>();
        foreach (string mailbox in mailboxes)
        {
            MailMessage? message = Find(mailbox);
            if (message is null)
            {
                universe.Require(false, $"{mailbox} got a message that nobody sent");
                continue;
            }
            MailRecipient? recipient = message.Recipients.Find(r => r.Mailbox == mailbox);
            universe.Require(recipient is not null, $"{mailbox} was not accepted and got {message.Token}");
            universe.Require(message.Sender == sender, $"{message.Token} has another sender now: {sender}");
            CheckContent(message, content);
            if (recipient is not null)
            {
                CheckState(message, recipient);
                recipient.Deliveries++;
                taken.Add(recipient);
            }
        }
        return taken;
    }

    /// <summary>A line of the relay's log.</summary>
    public void Logged(string line)
    {
        Match match = DeliveryLine().Match(line);
        if (!match.Success)
        {
            return;
        }
        string status = match.Groups[1].Value;
        string mailbox = match.Groups[3].Value;
        if (Find(mailbox) is not { } message)
        {
            return;
        }
        MailRecipient? recipient = message.Recipients.Find(r => r.Mailbox == mailbox);
        if (recipient is not null)
        {
            recipient.LoggedAtGroup = status == "delivered" ? DurableGroups() : recipient.LoggedAtGroup;
            recipient.Failed |= status == "failed";
            recipient.Dropped |= status == "failed" && match.Groups[2].Value == "\"\"";
        }
        else if (status == "failed" && mailbox == message.Sender)
        {
            // The notification itself failed: nobody can be told, and the log is the last to hear of it.
            universe.Faults.Hit("relay: bounce dropped");
            foreach (MailRecipient told in message.Recipients.Where(static r => r.Failed && r.Bounces.Count == 0))
            {
                told.Dropped = true;
            }
        }
    }

    /// <summary>The relay is gone, by a crash or, with <paramref name="cleanly"/>, after it drained.</summary>
    public void Stopped(bool cleanly)
    {
        long groups = DurableGroups();
        Life++;
        foreach (MailMessage message in _messages.Values)
        {
            if (message.RefusedAtGroup >= 0 && message.RefusedAtGroup == groups && !cleanly)
            {
                message.MayReturn = true;
            }
            message.RefusedAtGroup = -1;
            foreach (MailRecipient recipient in message.Recipients)
            {
                // The group that was filling when it was logged may be lost, and the one on its way to the disk.
                recipient.Settled |= recipient.LoggedAtGroup >= 0 && (cleanly || groups >= recipient.LoggedAtGroup + 2);
                recipient.LoggedAtGroup = -1;
                recipient.Doubt |= recipient.Deliveries > 0 && !cleanly;
            }
        }
    }

    /// <summary>After the calm: everything acknowledged is accounted for.</summary>
    public void CheckEnd()
    {
        foreach (MailMessage message in _messages.Values)
        {
            int accounted = message.Recipients.Count(static r => r.IsAccounted);
            bool all = message.State == MailState.Acknowledged || accounted > 0;
            universe.Require(!all || accounted == message.Recipients.Count, Missing(message));
            foreach (MailRecipient recipient in message.Recipients)
            {
                universe.Require(recipient.Bounces.Count <= 1, $"{recipient.Mailbox} was bounced twice");
            }
        }
    }

    private static string Missing(MailMessage message) =>
        $"{message.Token} is {message.State} and lost for {string.Join(' ', message.Recipients.Where(static r => !r.IsAccounted).Select(static r => r.Mailbox))}";

    private MailMessage? Find(string mailbox)
    {
        int dot = mailbox.IndexOf('.', StringComparison.Ordinal);
        int at = mailbox.IndexOf('@', StringComparison.Ordinal);
        return dot < 0 || at < dot ? null : _messages.GetValueOrDefault(mailbox[(dot + 1)..at]);
    }

    private void CheckState(MailMessage message, MailRecipient recipient)
    {
        string name = $"{recipient.Mailbox} ({message.State})";
        universe.Require(message.State != MailState.Unsent, $"{name} was delivered and its end was never sent");
        universe.Require(message.State != MailState.Refused || message.MayReturn, $"{name} was delivered");
        universe.Require(!recipient.Settled, $"{name} was settled before a crash and sent again");
        universe.Require(recipient.LoggedAtGroup < 0, $"{name} is logged as delivered and sent again");
        universe.Require(recipient.Bounces.Count == 0, $"{name} was bounced and delivered");
        universe.Require(recipient.Deliveries == 0 || recipient.Doubt, $"{name} was delivered twice without a reason");
        if (recipient.Deliveries > 0)
        {
            universe.Faults.Hit("relay: delivered again after doubt");
        }
    }

    private void CheckContent(MailMessage message, byte[] content)
    {
        int end = TraceEnd(content);
        universe.Require(end > 0, $"{message.Token} has no trace header");
        ulong hash = SimTrace.HashOf(content.AsSpan(Math.Max(0, end)));
        universe.Require(hash == message.ContentHash, $"{message.Token} has other bytes now");
    }

    private List<MailRecipient> TakenBounce(IReadOnlyList<string> mailboxes, byte[] content)
    {
        string text = Encoding.Latin1.GetString(content);
        string id = MessageIdField().Match(text).Groups[1].Value;
        universe.Require(id.Length > 0, "a notification without a Message-ID");
        foreach (Match match in FinalRecipient().Matches(text))
        {
            string mailbox = match.Groups[1].Value;
            MailMessage? message = Find(mailbox);
            MailRecipient? recipient = message?.Recipients.Find(r => r.Mailbox == mailbox);
            universe.Require(recipient is not null, $"a notification of {mailbox}, which was never accepted");
            universe.Require(message is null || (mailboxes.Count == 1 && mailboxes[0] == message.Sender), $"the notification of {mailbox} went to {string.Join(' ', mailboxes)}");
            universe.Require(message?.State is MailState.Acknowledged or MailState.InDoubt || message?.MayReturn == true, $"{mailbox} bounced and is {message?.State}");
            universe.Require(recipient is null || recipient.Deliveries == 0 || recipient.Doubt, $"{mailbox} was delivered and bounced");
            recipient?.Bounces.Add(id);
            universe.Require(recipient is null || recipient.Bounces.Count == 1, $"{mailbox} was bounced twice");
            universe.Faults.Hit("relay: bounce");
        }
        return [];
    }

    private static string Header(byte[] content)
    {
        int end = content.AsSpan().IndexOf("\r\n\r\n"u8);
        return Encoding.Latin1.GetString(content, 0, end < 0 ? content.Length : end);
    }

    /// <summary>Where the one trace header that was added ends: a Received field with its folded lines.</summary>
    private static int TraceEnd(byte[] content)
    {
        if (!content.AsSpan().StartsWith("Received: from "u8))
        {
            return -1;
        }
        int at = 0;
        do
        {
            int line = content.AsSpan(at).IndexOf("\r\n"u8);
            if (line < 0)
            {
                return -1;
            }
            at += line + 2;
        }
        while (at < content.Length && content[at] is (byte)'\t' or (byte)' ');
        return at;
    }

    [GeneratedRegex(@"event=delivery status=(\w+) id=\S+ from=(\S+) to=(\S+)")]
    private static partial Regex DeliveryLine();

    [GeneratedRegex(@"^Final-Recipient: rfc822; (\S+)\r$", RegexOptions.Multiline)]
    private static partial Regex FinalRecipient();

    [GeneratedRegex(@"^Message-ID: (\S+)\r$", RegexOptions.Multiline)]
    private static partial Regex MessageIdField();
}
