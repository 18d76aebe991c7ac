using System.Text.RegularExpressions;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>Completion and manual pages know every command and option that the published binary has.</summary>
public sealed class HandbookTests
{
    private static readonly string s_completion = Path.Combine(Place.Root, "packaging", "fastrelay.bash");

    /// <summary>Every command by its words, those above it first; the program itself has none.</summary>
    private static List<string[]> Commands()
    {
        var all = new List<string[]> { Array.Empty<string>() };
        for (int i = 0; i < all.Count; i++)
        {
            string[] at = all[i];
            all.AddRange(Below(Help(at)).Select(name => (string[])[.. at, name]));
        }
        Assert.Contains(all, static command => command is ["queue", "bounce"]);
        return all;
    }

    private static string Help(string[] command) => Tool.Run(Place.Binary, [.. command, "--help"]).Ok().Output;

    private static string[] Below(string help) =>
        [.. Regex.Matches(help.Split("\nCommands:\n").ElementAtOrDefault(1)?.Split("\n\n")[0] ?? "", @"(?m)^  ([a-z]+)\b").Select(static match => match.Groups[1].Value)];

    private static string[] Options(string help) =>
        [.. help.Split("\nOptions:\n")[1].Split("\n\n")[0].Split('\n').SelectMany(static line => Regex.Matches(line.Split('<')[0].TrimStart().Split("  ")[0], "--[a-z-]+").Select(static match => match.Value))];

    private static string[] Complete(params string[] words)
    {
        string quoted = string.Join(' ', words.Select(static word => $"'{word}'"));
        string script = $"source '{s_completion}'; COMP_WORDS=('{Place.Binary}' {quoted}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _fastrelay 2>/dev/null; printf '%s\\n' \"${{COMPREPLY[@]}}\"";
        return Tool.Run("bash", ["-c", script], folder: Place.Root).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    [Fact]
    public void Completion_offers_every_command_and_every_option()
    {
        foreach (string[] command in Commands())
        {
            string help = Help(command);
            string[] options = Options(help);
            Assert.Contains("--help", options);
            Assert.Equal(options.Order(StringComparer.Ordinal), Complete([.. command, "--"]).Order(StringComparer.Ordinal));
            if (Below(help) is { Length: > 0 } below)
            {
                Assert.Equal(below.Order(), Complete([.. command, ""]).Order());
                Assert.Equal([below[0]], Complete([.. command, below[0]]));
            }
        }
    }

    [Fact]
    public void Completion_offers_files_where_a_path_belongs_and_the_topics_of_help()
    {
        foreach (string[] command in Commands())
        {
            foreach (Match option in Regex.Matches(Help(command), "(?m)^  (?:-[a-z], )?(--[a-z-]+) <(?:FILE|DIR|PATH)>"))
            {
                Assert.Equal(["README.md"], Complete([.. command, option.Groups[1].Value, "READ"]));
            }
        }
        Assert.Equal(["packaging"], Complete("journal", "verify", "pack"));
        Assert.Contains("tenants", Complete("help", ""));
        Assert.DoesNotContain("README.md", Complete("queue", "list", "--domain", "READ"));
    }

    [Fact]
    public void The_manual_page_has_a_section_with_every_option_of_every_command()
    {
        string folder = Place.NewFolder("man");
        Tool.Run("env", [$"FASTRELAY_BINARY={Place.Binary}", Path.Combine(Place.Root, "eng", "man"), folder]).Ok();
        string page = File.ReadAllText(Path.Combine(folder, "fastrelay.1")).Replace("\\-", "-", StringComparison.Ordinal);
        foreach (string[] command in Commands())
        {
            string head = command.Length == 0 ? ".SH SYNOPSIS" : ".SH " + string.Join(' ', command).ToUpperInvariant();
            string section = page.Split(head + "\n")[1].Split("\n.SH ")[0];
            Assert.All(Options(Help(command)), option => Assert.Contains(option, section));
        }
        string keys = File.ReadAllText(Path.Combine(folder, "fastrelay.toml.5"));
        Assert.Contains("receive_sessions", keys);
        Assert.Contains("max_age", keys);
    }
}
