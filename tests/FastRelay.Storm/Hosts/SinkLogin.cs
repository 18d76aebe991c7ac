using System.Text;

namespace FastRelay.Storm;

/// <summary>AUTH at a next hop: takes the one user there is, refuses or puts off by chance, and leaves in the middle.</summary>
internal sealed class SinkLogin(StormSink sink, SmtpPeer peer)
{
    /// <summary>Who may send mail there.</summary>
    public const string User = "storm";

    /// <summary>His password.</summary>
    public const string Password = "pass, word=1";

    private SimUniverse Universe => sink.Host.Universe;

    /// <summary>The client has said who it is.</summary>
    public bool IsDone { get; private set; }

    /// <summary>Answers AUTH.</summary>
    /// <param name="line">The command.</param>
    /// <param name="tls">TLS is on.</param>
    /// <returns>False when the session ends.</returns>
    public async ValueTask<bool> AnswerAsync(string line, bool tls)
    {
        Universe.Require(sink.Profile.Auth, $"AUTH to a host that does not offer it: {line}");
        Universe.Require(tls, $"a password in clear: {line}");
        Universe.Require(!IsDone, $"AUTH twice: {line}");
        string[] words = line.Split(' ');
        Universe.Require(words[1] == "LOGIN" || (words[1] == "PLAIN" && !sink.Profile.AuthByLogin), $"an odd AUTH: {line}");
        string? said = words[1] == "PLAIN" ? Plain(words[2]) : await LoginAsync();
        if (said is null)
        {
            return false;
        }
        Universe.Require(said == $"{User}\n{Password}", $"another login than the one that is configured: {said}");
        switch (Roll(4))
        {
            case 1:
                Universe.Faults.Hit("sink: 535 at AUTH");
                return await peer.WriteAsync("535 5.7.8 not so\r\n");
            case 2:
                Universe.Faults.Hit("sink: 454 at AUTH");
                return await peer.WriteAsync("454 4.7.0 not just now\r\n");
            case 3:
                Universe.Faults.Hit("sink: close at AUTH");
                return false;
            case 4:
                Universe.Faults.Hit("sink: garbage at AUTH");
                return await peer.WriteAsync("334 =no base64=\r\n");
            default:
                IsDone = true;
                Universe.Faults.Hit("sink: AUTH");
                return await peer.WriteAsync("235 2.7.0 welcome\r\n");
        }
    }

    private static string Plain(string response) => string.Join('\n', Text(response).Split('\0').Skip(1));

    /// <returns>Null when this host has left in the middle.</returns>
    private async ValueTask<string?> LoginAsync()
    {
        string said = "";
        foreach (string prompt in (string[])["Username:", "Password:"])
        {
            if (Roll(1) == 1)
            {
                Universe.Faults.Hit("sink: close in AUTH");
                return null;
            }
            await peer.WriteAsync($"334 {Convert.ToBase64String(Encoding.ASCII.GetBytes(prompt))}\r\n");
            if (await peer.ReadLineAsync() is not { } line)
            {
                return null;
            }
            said += (said.Length > 0 ? "\n" : "") + Text(line);
        }
        return said;
    }

    /// <summary>Which of so many faults; mostly 0, none.</summary>
    private int Roll(int kinds) => Universe.Faults.On && sink.Profile.FaultOneIn > 0 && sink.Random.OneIn(Math.Max(2, sink.Profile.FaultOneIn / 8)) ? 1 + sink.Random.Next(kinds) : 0;

    private static string Text(string base64) => Encoding.ASCII.GetString(Convert.FromBase64String(base64));
}
