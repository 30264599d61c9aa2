# ruff: noqa: RUF001 - headers in many alphabets
import pytest

from cleanlist_async.tables import guess_columns
from cleanlist_async.tables.headers import known_as, words
from cleanlist_async.tables.vocabulary import HEADERS
from tests.support.cases import each_case

URL = "https://www.linkedin.com/in/jane"
FIELDS = ("first_name", "last_name", "company_name", "company_domain", "email", "linkedin_url")
VALUES = ("Jane", "Doe", "Acme", "acme.com", "jane@acme.com", URL)

LANGUAGES = {
    "English": "First Name, Last Name, Company, Website, Email, LinkedIn URL",
    "English plurals": "Names, Surnames, Company, Website, Emails, LinkedIn",
    "English with the person": "Contact Name, Contact Surname, Employer, Website, Email, LinkedIn",
    "German": "Vorname, Nachname, Firma, Webseite, E-Mail-Adresse, LinkedIn-Profil",
    "French": "Prénom, Nom, Société, Site web, Adresse e-mail, Profil LinkedIn",
    "Spanish": "Nombre, Apellidos, Empresa, Sitio web, Correo electrónico, Perfil de LinkedIn",
    "Italian": "Nome, Cognome, Azienda, Sito web, Indirizzo e-mail, Profilo LinkedIn",
    "Portuguese": "Nome, Sobrenome, Empresa, Site, E-mail, Perfil do LinkedIn",
    "Portuguese of Portugal": "Nome próprio, Apelido, Nome da empresa, Domínio, Correio eletrónico, LinkedIn",
    "Portuguese of forms": "Nome próprio, Apelidos, Nome da Organização, Página Web, E-mail, LinkedIn",
    "Dutch": "Voornaam, Achternaam, Bedrijf, Website, E-mailadres, LinkedIn-profiel",
    "Danish": "Fornavn, Efternavn, Virksomhed, Hjemmeside, E-mailadresse, LinkedIn-profil",
    "Norwegian": "Fornavn, Etternavn, Bedrift, Nettside, E-postadresse, LinkedIn-profil",
    "Swedish": "Förnamn, Efternamn, Företag, Webbplats, E-postadress, LinkedIn-profil",
    "Finnish": "Etunimi, Sukunimi, Yritys, Verkkosivu, Sähköposti, LinkedIn-profiili",
    "Polish": "Imię, Nazwisko, Nazwa firmy, Strona internetowa, Adres e-mail, Profil LinkedIn",
    "Polish without accents": "Imie, Nazwisko, Przedsiebiorstwo, Strona WWW, E-mail, LinkedIn",
    "Czech": "Jméno, Příjmení, Společnost, Webové stránky, E-mailová adresa, Profil LinkedIn",
    "Slovak": "Meno, Priezvisko, Spoločnosť, Webová stránka, E-mail, LinkedIn",
    "Hungarian": "Keresztnév, Vezetéknév, Cégnév, Weboldal, E-mail cím, LinkedIn",
    "Romanian": "Prenume, Nume, Companie, Pagină web, Adresă de e-mail, LinkedIn",
    "Croatian": "Ime, Prezime, Tvrtka, Web stranica, E-pošta, LinkedIn",
    "Turkish": "Ad, Soyad, Şirket, Web sitesi, E-posta, LinkedIn profili",
    "Turkish in capitals": "ADI, SOYADI, ŞİRKET ADI, WEB SİTESİ, E-POSTA ADRESİ, LINKEDIN",
    "Russian": "Имя, Фамилия, Компания, Веб-сайт, Электронная почта, Профиль LinkedIn",
    "Ukrainian": "Ім'я, Прізвище, Компанія, Сайт, Електронна пошта, LinkedIn",
    "Bulgarian": "Име, Фамилно име, Фирма, Уебсайт, Имейл, LinkedIn",
    "Greek": "Όνομα, Επώνυμο, Εταιρεία, Ιστοσελίδα, Email, LinkedIn",
    "Arabic": "الاسم الأول, اسم العائلة, الشركة, الموقع الإلكتروني, البريد الإلكتروني, رابط لينكدإن",
    "Arabic without hamza": "الاسم الاول, اسم العائله, اسم الشركه, الموقع الالكتروني, الايميل, لينكدان",
    "Hebrew": "שם פרטי, שם משפחה, שם החברה, אתר, דוא״ל, LinkedIn",
    "Persian": "نام, نام خانوادگی, شرکت, وب سایت, ایمیل, LinkedIn",
    "Japanese": "名, 姓, 会社名, ウェブサイト, メールアドレス, LinkedIn URL",
    "Japanese, two names of a column": "氏名(名), 氏名(姓), 会社・団体名, ウェブサイト, E-mail, LinkedIn",
    "Japanese, both halves in words": "名前, 苗字, 勤務先, ホームページ, Eメール, リンクトイン",
    "Chinese": "名, 姓, 公司名称, 公司网站, 电子邮箱, 领英",
    "Chinese, both halves in words": "名字, 姓氏, 公司, 网址, 邮箱, 领英链接",
    "Chinese in traditional characters": "名字, 姓氏, 公司名稱, 網站, 電子郵件, LinkedIn 網址",
    "Korean": "이름, 성, 회사명, 웹사이트, 이메일, 링크드인",
    "Vietnamese": "Tên, Họ, Công ty, Trang web, Địa chỉ email, LinkedIn",
    "Indonesian": "Nama depan, Nama belakang, Perusahaan, Situs web, Alamat email, LinkedIn",
    "two languages at once": "名 (First Name), 姓 (Last Name), Firma / Company, Website, E-Mail, LinkedIn",
}


@each_case(("language", "listed"), LANGUAGES.items())
def test_the_six_fields_are_known_in_many_languages(language, listed):
    headers = listed.split(", ")
    guessed = guess_columns(headers, [VALUES])
    assert {field: guess.header for field, guess in guessed.items()} == dict(
        zip(FIELDS, headers, strict=True)
    )


WHOLE_NAMES = [
    "Name",
    "Full Name",
    "Nom complet",
    "Nom",
    "Nombre",
    "Nombre y apellidos",
    "Nome",
    "Nome completo",
    "Naam",
    "Navn",
    "Namn",
    "Nimi",
    "Imię i nazwisko",
    "Jméno",
    "Jméno a příjmení",
    "Név",
    "Teljes név",
    "Ime i prezime",
    "Ad Soyad",
    "Adı Soyadı",
    "Имя",
    "ФИО",
    "Ф.И.О.",
    "Фамилия Имя Отчество",
    "ПІБ",
    "Όνομα",
    "الاسم",
    "الاسم الكامل",
    "שם מלא",
    "氏名",
    "お名前",
    "名前",
    "姓名",
    "联系人",
    "聯絡人",
    "이름",
    "성명",
    "담당자",
    "Họ và tên",
]


@each_case("header", WHOLE_NAMES)
def test_a_column_of_whole_names_is_split_in_many_languages(header):
    guessed = guess_columns([header, "Company"], [["Jane Doe", "Acme"]])
    assert (guessed["first_name"].header, guessed["last_name"].header) == (header, header)


def test_a_lone_header_for_a_name_over_single_words_is_no_last_name():
    assert "last_name" not in guess_columns(["Имя", "Компания"], [["Иван", "Ромашка"]])


@each_case("field", HEADERS)
def test_no_header_is_listed_for_two_fields(field):
    listed = ["".join(words(header)) for header in HEADERS[field].split(",")]
    assert all(listed)
    assert {header for header in listed if known_as(header)[0] != field} == set()


@each_case(
    ("header", "field"),
    [
        ("First Name (required)", "first_name"),
        ("Surname(s)", "last_name"),
        ("名（必須）", "first_name"),
        ("名前 (姓)", "last_name"),
        ("Name (first)", "first_name"),
        ("Имя (рус)", "full_name"),
        ("E-Mail / Email", "email"),
        ("Company (Firma)", "company_name"),
        ("Email*", "email"),
    ],
)
def test_a_remark_in_a_header_does_not_change_its_meaning(header, field):
    assert known_as(header)[0] == field


@pytest.mark.parametrize(
    "header", ["Company (Owner)", "Owner / First Name", "Notes", "Position", "Straße", "Телефон", "電話"]
)
def test_what_is_known_in_part_only_is_not_known(header):
    assert known_as(header) is None
