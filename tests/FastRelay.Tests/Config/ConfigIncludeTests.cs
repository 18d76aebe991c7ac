using FastRelay.Config;
using FastRelay.Host.Commands;

namespace FastRelay.Tests.Config;

public sealed class ConfigIncludeTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("include").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Put(string name, string text)
    {
        string path = Path.Combine(_folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
        return path;
    }

    private ConfigResult Read(string text) => ConfigFile.Read(Put("relay.toml", text));

    private string[] Errors(string text) => [.. Read(text).Errors.Select(error => error.ToString().Replace(_folder + "/", "", StringComparison.Ordinal))];

    [Fact]
    public void Tables_grow_together_lists_are_appended_in_order_of_name_and_paths_begin_at_the_main_file()
    {
        Put("conf.d/20-more.toml", "[[route]]\ndomain = \"b.test\"\nto = \"discard:\"\n[limits]\nhops = 7\n");
        Put("conf.d/10-first.toml", "spool = \"mail\"\n[[route]]\ndomain = \"a.test\"\nto = \"discard:\"\n");
        Put("conf.d/ignored.conf", "no toml at all");
        RelayConfig config = Read("include = [\"conf.d/*.toml\"]\n[limits]\nrecipients = 5\n[[route]]\ndomain = \"main.test\"\nto = \"discard:\"\n").Config!;
        Assert.Equal(["main.test", "a.test", "b.test"], config.Routes.Select(route => route.Domain));
        Assert.Equal((5, 7), (config.Limits.Recipients, config.Limits.Hops));
        Assert.Equal(Path.Combine(_folder, "mail"), config.Spool);
        // What is in force is one document.
        Assert.Equal(config.Routes, ConfigReader.Read(EffectiveConfig.Write(config), "x", _folder, "h", static _ => null).Config!.Routes);
    }

    [Fact]
    public void A_pattern_that_matches_nothing_is_fine_and_a_file_that_is_missing_is_not()
    {
        Assert.Empty(Errors("include = [\"none.d/*.toml\", \"*.nothing\"]"));
        string error = Assert.Single(Errors("# one\ninclude = [\n  \"none.toml\",\n]\n"));
        Assert.StartsWith("relay.toml:3: include: \"none.toml\": cannot be read: ", error);
    }

    [Fact]
    public void A_folder_that_cannot_be_read_is_an_error_with_file_and_line()
    {
        // A link to itself: nobody can look into it, not even root.
        Directory.CreateSymbolicLink(Path.Combine(_folder, "loop.d"), "loop.d");
        Assert.StartsWith("relay.toml:2: include: \"loop.d/*.toml\": the folder cannot be read: ", Assert.Single(Errors("\ninclude = [\"loop.d/*.toml\"]")));
        Assert.Equal("relay.toml:1: include: \"a\0b/*\": is no path", Assert.Single(Errors("include = [\"a\\u0000b/*\"]")));
        string closed = Path.GetDirectoryName(Put("closed.d/a.toml", "[limits]\nhops = 7\n"))!;
        File.SetUnixFileMode(closed, UnixFileMode.UserExecute);
        try
        {
            string[] errors = Errors("include = [\"closed.d/*.toml\"]");
            // Permissions do not hold root back: it reads the file.
            Assert.Equal(Environment.IsPrivilegedProcess ? 0 : 1, errors.Length);
            Assert.All(errors, static error => Assert.StartsWith("relay.toml:1: include: \"closed.d/*.toml\": the folder cannot be read: ", error));
        }
        finally
        {
            File.SetUnixFileMode(closed, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    [Fact]
    public void So_many_lines_a_file_may_have_and_no_more()
    {
        // One text over all lines but two: its key is wrong in line 1, the other in the last.
        string Long(int lines) => $"x = '''{new string('\n', lines - 2)}'''\nsync = 1";
        Put("a.toml", Long(ConfigFileSet.LinesMax));
        Put("b.toml", Long(ConfigFileSet.LinesMax) + "\n");
        string[] errors = Errors("include = [\"a.toml\"]");
        Assert.Equal(2, errors.Length);
        Assert.StartsWith("a.toml:1: x: ", errors[0]);
        Assert.StartsWith("a.toml:1048575: sync: ", errors[1]);
        Assert.Equal(2, Errors("include = [\"b.toml\"]").Length);
        Put("b.toml", Long(ConfigFileSet.LinesMax + 1));
        Assert.StartsWith("b.toml:1048575: is longer than 1048575 lines", Assert.Single(Errors("include = [\"b.toml\"]")));
        Assert.StartsWith("relay.toml:1048575: is longer than 1048575 lines", Assert.Single(Errors(Long(ConfigFileSet.LinesMax + 1))));
    }

    [Fact]
    public void Errors_name_the_included_file_and_its_line()
    {
        Put("a.toml", "\n[limits]\nhops = 0\n");
        Put("b.toml", "[deliver]\nprot = 25\n[[route]]\ndomain = \"x.test\"\nto = \"nonsense\"\n");
        string[] errors = Errors("include = [\"a.toml\", \"b.toml\"]\nsync = \"x\"\n");
        Assert.Equal(4, errors.Length);
        Assert.StartsWith("relay.toml:2: sync: ", errors[0]);
        Assert.StartsWith("a.toml:3: limits.hops: must be 1 to 1000", errors[1]);
        Assert.Equal("b.toml:2: deliver.prot: unknown key; did you mean \"port\"?", errors[2]);
        Assert.StartsWith("b.toml:5: route.to: ", errors[3]);
        Put("b.toml", "[limits\n");
        Assert.StartsWith("b.toml:1: not TOML: ", Assert.Single(Errors("include = [\"b.toml\"]\n")));
    }

    [Fact]
    public void A_key_stands_once_in_all_files()
    {
        Put("a.toml", "# x\n[limits]\nhops = 5\n");
        Assert.Equal("a.toml:3: limits.hops: stands here for the second time; the first is in relay.toml:3", Assert.Single(Errors("include = [\"a.toml\"]\n[limits]\nhops = 6\n")));
        Put("a.toml", "[[dns]]\nservers = []\n");
        Assert.Equal("a.toml:1: dns: stands here for the second time; the first is in relay.toml:2", Assert.Single(Errors("include = [\"a.toml\"]\n[dns]\ntimeout = \"1s\"\n")));
    }

    [Theory]
    [InlineData("include = [\"relay.toml\"]", "relay.toml:1: include: \"relay.toml\": relay.toml is included already, or includes itself")]
    [InlineData("include = [\"a.toml\"]", "b.toml:1: include: \"../relay.toml\": relay.toml is included already, or includes itself")]
    [InlineData("include = [\"c.toml\", \"c.toml\"]", "relay.toml:1: include: \"c.toml\": c.toml is included already, or includes itself")]
    [InlineData("include = \"c.toml\"", "relay.toml:1: include: must be a list of files, as in include = [\"conf.d/*.toml\"]; it is \"c.toml\"")]
    [InlineData("include = [3]", "relay.toml:1: include: must be a list of files, as in include = [\"conf.d/*.toml\"]; it is a list")]
    public void A_file_is_read_once_and_never_in_a_circle(string text, string error)
    {
        // An include of an included file begins in that one's folder.
        Put("a.toml", "include = [\"sub/b.toml\"]\n");
        Put("sub/b.toml", "include = [\"../relay.toml\"]\n");
        Put("c.toml", "[limits]\n");
        Assert.Equal(error.Replace("b.toml:1", "sub/b.toml:1", StringComparison.Ordinal), Assert.Single(Errors(text)));
    }

    [Fact]
    public void So_many_files_may_be_included_and_no_more()
    {
        string[] all = [.. Enumerable.Range(1, ConfigFileSet.FilesMax - 1).Select(i => $"{i}.toml")];
        IReadOnlyList<IncludedFile> Find(string pattern, string folder) => [.. all.Select(name => new IncludedFile("/x/" + name, ""))];
        Assert.Empty(ConfigReader.Read("include = [\"*\"]", "m", "/x", "h", static _ => null, Find).Errors);
        all = [.. all, "last.toml"];
        Assert.Contains($"there are more than {ConfigFileSet.FilesMax} files", Assert.Single(ConfigReader.Read("include = [\"*\"]", "m", "/x", "h", static _ => null, Find).Errors).Message);
    }

    [Fact]
    public void Secrets_come_from_files_or_the_environment()
    {
        const string route = "[[route]]\ndomain = \"*\"\nto = \"smtp:mx.test\"\nuser = \"me\"\n";
        RelayConfig config = Read(route + "password_env = \"FASTRELAY_TEST_PASSWORD\"\n[admin]\ntoken_env = \"FASTRELAY_TEST_TOKEN\"\n").Config!;
        Assert.Equal("env:FASTRELAY_TEST_PASSWORD", config.Routes[0].PasswordFile);
        Assert.Contains("password_env = \"FASTRELAY_TEST_PASSWORD\"\n", EffectiveConfig.Write(config));
        Assert.Contains("token_env = \"FASTRELAY_TEST_TOKEN\"\n", EffectiveConfig.Write(config));
        Assert.Null(FastRelay.Host.Secrets.PasswordFile.Load(config.Routes[0], out string problem));
        Assert.Equal("route \"*\": password_env: FASTRELAY_TEST_PASSWORD: cannot be read: there is no variable FASTRELAY_TEST_PASSWORD in the environment", problem);
        Environment.SetEnvironmentVariable("FASTRELAY_TEST_PASSWORD", "open sesame\n");
        Environment.SetEnvironmentVariable("FASTRELAY_TEST_TOKEN", "0123456789abcdef");
        Assert.NotNull(FastRelay.Host.Secrets.PasswordFile.Load(config.Routes[0], out problem));
        Assert.Equal("0123456789abcdef", FastRelay.Host.Secrets.TokenFile.Load(config.AdminTokenFile!, out problem));
        Assert.Empty(ConfigFiles.Problems(config, "relay.toml"));
        Environment.SetEnvironmentVariable("FASTRELAY_TEST_TOKEN", "short");
        Assert.Matches(@"\S+:[0-9]+: admin\.token_env: FASTRELAY_TEST_TOKEN: the first line must be the token", Assert.Single(ConfigFiles.Problems(config, "relay.toml")));

        Assert.StartsWith("relay.toml:6: route.password_env: and password_file both", Assert.Single(Errors(route + "password_file = \"x\"\npassword_env = \"X\"\n")));
        Assert.StartsWith("relay.toml:5: route.password_env: \"a b\" is no name of a variable", Assert.Single(Errors(route + "password_env = \"a b\"\n")));
        Assert.StartsWith("relay.toml:4: route.password_env: needs user", Assert.Single(Errors("[[route]]\ndomain = \"*\"\nto = \"smtp:mx.test\"\npassword_env = \"X\"\n")));
    }
}
