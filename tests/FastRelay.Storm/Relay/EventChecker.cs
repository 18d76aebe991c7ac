using System.Text.Json;

namespace FastRelay.Storm;

/// <summary>Invariant 8: no event is missing. Of what was answered 250 each message is told as accepted and each recipient with what became of it, whatever was killed in between.</summary>
internal static class EventChecker
{
    /// <summary>At the end, when everything has settled and been told.</summary>
    public static void Check(SimUniverse universe, IReadOnlyList<string> lines, MailChecker mail, bool inDoubt)
    {
        var accepted = new HashSet<string>();
        var settled = new HashSet<string>();
        bool isWhole = !mail.RecordsLost && !inDoubt;
        foreach (string line in lines)
        {
            using JsonDocument read = JsonDocument.Parse(line);
            JsonElement root = read.RootElement;
            string Of(string key) => root.TryGetProperty(key, out JsonElement value) ? value.ToString() : "";
            string name = Of("event");
            if (Of("recovered").Length > 0)
            {
                universe.Faults.Hit($"events: {name} told again");
            }
            switch (name)
            {
                case "accepted":
                    accepted.Add(Of("id"));
                    break;
                case "delivered" or "failed" or "removed":
                    // Of a message whose record was gone by then, its id and the recipient's number are all there is.
                    settled.Add(Of("to") is { Length: > 0 } to ? to : $"{Of("id")}/{Of("recipient")}");
                    break;
                case "gap":
                    universe.Faults.Hit($"events: gap, {Of("reason")}");
                    universe.Require(mail.RecordsLost || inDoubt || Of("reason") is "reclaimed" or "report", $"8: {line}");
                    isWhole = false;
                    break;
                default:
                    break;
            }
        }
        foreach (MailMessage message in mail.Messages)
        {
            if (!isWhole || message.State != MailState.Acknowledged)
            {
                continue;
            }
            universe.Require(accepted.Contains(message.Id), $"8: {message.Token} ({message.Id}) was answered 250, and no event says so");
            for (int i = 0; i < message.Recipients.Count; i++)
            {
                string mailbox = message.Recipients[i].Mailbox;
                universe.Require(settled.Contains(mailbox) || settled.Contains($"{message.Id}/{i}"), $"8: no event says what became of {mailbox} ({message.Id})");
            }
        }
        if (isWhole && lines.Count > 0)
        {
            universe.Faults.Hit("events: none missing");
        }
    }
}
