"""What headers of contact tables are called, by field and language. Data only.

Best first within a field: of two columns that are known the one that stands earlier here is taken. The first
lines of a field are of exports: HubSpot, Salesforce, Apollo, LinkedIn and Google contacts, the usual Sales
Navigator exporters (PhantomBuster, Evaboot, Wiza and others), and Cleanlist itself.
"""

# ruff: noqa: RUF001 - letters of one alphabet look like those of another

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FULL_NAME: Final = "full_name"
"""Not a field of a contact: a column to be split into first and last name."""

HEADERS: Final[Mapping[str, str]] = {
    "linkedin_url": """
        linkedin url, person linkedin url, linkedin profile url, linkedin profile,
        linkedin member profile url, linkedin public profile url, linkedin public url,
        public linkedin url, personal linkedin url, personal linkedin, default profile url, linkedin,
        linkedin link, linkedin profile link, linkedin address, linkedin member, linkedin page,
        linkedin c, hs linkedin url, linkedin bio, linkedin handle, li url, li profile, li profile url,
        lien linkedin, profil linkedin, url linkedin, linkedin profil, perfil linkedin,
        perfil de linkedin, perfil do linkedin, profilo linkedin, enlace linkedin, enlace de linkedin,
        link linkedin, link do linkedin, adres linkedin, adresa linkedin, odkaz linkedin,
        linkedin osoite, linkedin profiili, linkedin adresse, linkedin profiel, linkedin adres,
        linkedin adresi, linkedin baglantisi, linkedin profili, ссылка linkedin, ссылка на linkedin,
        профиль linkedin, профиль в linkedin, линкедин, посилання linkedin, профіль linkedin,
        رابط linkedin, رابط لينكدإن, لينكدإن, حساب لينكدإن, linkedin プロフィール,
        linkedin プロフィールurl, linkedinのurl, リンクトイン, linkedin リンク, 领英, 领英链接,
        领英网址, 领英主页, linkedin 链接, linkedin 网址, linkedin 主页, linkedin 連結, linkedin 網址,
        링크드인, 링크드인 url, 링크드인 프로필, linkedin 프로필, linkedin 주소
    """,
    "email": """
        email, email address, work email, business email, professional email, corporate email,
        company email, primary email, email 1, email address 1, email addresses, mail, emails,
        email 1 value, work email address, personal email, mail address, e mail id, email id,
        email adresse, mail adresse, geschäftliche email, adresse email, adresse mail, courriel,
        mail professionnel, email professionnel, adresse électronique, correo, correo electrónico,
        email de trabajo, dirección de correo, dirección de correo electrónico, indirizzo email,
        indirizzo mail, posta elettronica, endereço de email, correio eletrónico, correio eletrônico,
        email profissional, email comercial, email corporativo, email adres, emailadres, mailadres,
        epost, epostadress, epostadresse, mailadresse, arbejdsmail, sähköposti, sähköpostiosoite,
        email osoite, adres email, adres mailowy, mail służbowy, email służbowy, poczta,
        poczta elektroniczna, emailová adresa, pracovní email, elektronická pošta, email cím,
        levelezési cím, adresă de email, adresa email, adresa de email, posta, eposta, eposta adresi,
        mail adresi, email adresi, электронная почта, эл почта, адрес эл почты, почта, емейл, имейл,
        емайл, адрес электронной почты, рабочая почта, электронный адрес, e mail адрес,
        електронна пошта, пошта, електронна поща, ел поща, имейл адрес, el pošta, e pošta,
        elektronski naslov, email naslov, epošta, ηλεκτρονικό ταχυδρομείο, ηλεκτρονική διεύθυνση,
        διεύθυνση email, דואל, דואר אלקטרוני, אימייל, כתובת מייל, البريد الإلكتروني, بريد إلكتروني,
        البريد, الإيميل, ایمیل, عنوان البريد الإلكتروني, الايميل, ايميل, メール, メールアドレス,
        eメール, 電子メール, eメールアドレス, 電子メールアドレス, 邮箱, 电子邮箱, 邮件, 电子邮件,
        邮箱地址, 邮件地址, 电子邮件地址, 工作邮箱, 企业邮箱, email 地址, 電子郵件, 電郵, 电邮,
        電子信箱, 信箱, 電郵地址, 郵箱, 이메일, 이메일 주소, 메일, 전자우편, 메일 주소, thư điện tử,
        địa chỉ email, surel, alamat email, อีเมล, อีเมล์
    """,
    "first_name": """
        first name, given name, forename, fname, first, given names, first names, names, forenames,
        vorname, rufname, prénom, prénoms,
        primer nombre, nombre de pila, nombres, primeiro nome, nome próprio, primo nome,
        nome di battesimo, voornaam, roepnaam, förnamn, tilltalsnamn, fornavn, fornavne, etunimi,
        etunimet, kutsumanimi, imię, imiona, křestní jméno, křestní, krstné meno, keresztnév, utónév,
        prenume, prenumele, vārds, vardas, eesnimi, ilk ad, ilk adı, ilk isim, ön ad, fornafn,
        eiginnafn, μικρό όνομα, имя контакта, имя клиента, имя сотрудника, собствено име, лично име,
        שם פרטי, الاسم الأول, الاسم الشخصي, نام کوچک, 名, 下の名前, ファーストネーム, tên riêng,
        nama depan, ชื่อจริง
    """,
    "last_name": """
        last name, surname, family name, lname, last, sur name, second name, surnames, last names,
        family names, nachname, familienname,
        zuname, nom de famille, apellido, apellidos, primer apellido, cognome, sobrenome, apelido, apelidos,
        sobrenomes,
        último nome, nome de família, achternaam, familienaam, efternamn, familjenamn, efternavn,
        efternavne, etternavn, sukunimi, nazwisko, příjmení, priezvisko, vezetéknév, családnév,
        nume de familie, numele de familie, prezime, priimek, uzvārds, pavardė, perekonnanimi, perenimi,
        soyadı, soyad, soy isim, soyisim, soyismi, son ad, kenninafn, eftirnafn, επώνυμο, επίθετο,
        фамилия, фамилия контакта, фамилия сотрудника, прізвище, презиме, фамилно име, שם משפחה,
        اسم العائلة, العائلة, اللقب, لقب, الكنية, الاسم الأخير, نام خانوادگی, 姓, 姓氏, 苗字,
        ラストネーム, 성, 성씨, họ, nama belakang, nama keluarga, นามสกุล
    """,
    "company_name": """
        company name, company, current company, current company name, account name, account,
        organization, organisation, organization name, organisation name, employer, employer name,
        associated company, primary company, associated company name, primary associated company,
        organization 1 name, company account, company name for emails, cleaned company name, business,
        business name, legal name, company legal name, current employer, corporation, workplace, firma,
        firmenname, unternehmen, unternehmensname, arbeitgeber, firmierung, société, nom de la société,
        entreprise, nom de lentreprise, nom entreprise, nom société, raison sociale, organisme, empresa,
        nombre de la empresa, nombre de empresa, nombre empresa, compañía, razón social, organización,
        nome da empresa, nome empresa, nome da organização, entidade, empregador,
        razão social, companhia, organização, azienda, nome azienda,
        società, nome società, ragione sociale, impresa, ditta, bedrijf, bedrijfsnaam, organisatie,
        werkgever, företag, företagsnamn, arbetsgivare, firmanavn, virksomhed, virksomhedsnavn,
        virksomhedens navn, selskab, selskap, selskapsnavn, bedrift, bedriftsnavn, arbejdsgiver,
        arbeidsgiver, firmanamn, yritys, yrityksen nimi, yhtiö, organisaatio, työnantaja, nazwa firmy,
        przedsiębiorstwo, spółka, pracodawca, organizacja, společnost, název firmy, název společnosti,
        podnik, zaměstnavatel, organizace, spoločnosť, názov firmy, názov spoločnosti, cég, cégnév,
        vállalat, munkahely, companie, nume companie, nume firmă, denumire firmă, societate, tvrtka,
        naziv tvrtke, poduzeće, kompanija, naziv firme, podjetje, naziv podjetja, ime podjetja,
        preduzeće, компания, название компании, организация, наименование организации, юридическое лицо,
        название организации, фирма, название фирмы, предприятие, работодатель, место работы, компанія,
        назва компанії, організація, підприємство, име на фирмата, uzņēmums, įmonė, ettevõte, şirket,
        şirket adı, şirket ismi, firma adı, kurum, kurum adı, kuruluş, işyeri, fyrirtæki, εταιρεία,
        εταιρία, επωνυμία, όνομα εταιρείας, חברה, שם חברה, שם החברה, ארגון, الشركة, شركة, اسم الشركة,
        إسم الشركة, المؤسسة, اسم المؤسسة, جهة العمل, المنظمة, شرکت, نام شرکت, 会社, 会社名, 貴社名,
        御社名, 所属会社, 企業名, 企業, 勤務先, 法人名, 団体名, 所属, 勤務先名, 社名, 組織名, 公司, 公司名称,
        公司名, 企业, 企业名称, 单位, 单位名称, 组织, 公司全称, 工作单位, 公司名稱, 企業名稱, 單位,
        組織, 회사, 회사명, 회사 이름, 기업명, 직장, 소속, công ty, tên công ty, perusahaan,
        nama perusahaan, บริษัท, ชื่อบริษัท
    """,
    "company_domain": """
        company domain, company domain name, domain, domain name, company website, company website url,
        website, website url, company url, company homepage, account website, account domain,
        organization website, organization domain, corporate website, homepage, web, webpage, site,
        website domain, company email domain, web site, web address, company web, company site,
        webseite, internetseite, firmenwebseite, internet, webadresse, internetadresse, domäne,
        site web, site internet, site de lentreprise, domaine, sitio web, página web, dominio, domínio,
        site da empresa, website da empresa, domínio da empresa, sítio web, sito web, sito,
        sito internet, sito aziendale, website 1 value, bedrijfswebsite, webadres, hemsida, webbplats,
        webbsida, domän, hjemmeside, webside, websted, nettside, nettsted, domæne, domene, verkkosivu,
        verkkosivut, verkkosivusto, kotisivu, kotisivut, verkkotunnus, www, www osoite,
        strona internetowa, strona www, strona, witryna, domena, webové stránky, webová stránka,
        webová adresa, doména, stránky, weboldal, honlap, weblap, domén, pagina web, domeniu,
        internetska stranica, web stranica, spletna stran, веб сайт, вебсайт, сайт, домен,
        сайт компании, адрес сайта, вебсайт компании, сайт компанії, уебсайт, mājaslapa, svetainė,
        koduleht, veebileht, web sitesi, web adresi, internet sitesi, internet adresi, alan adı,
        site adresi, vefsíða, ιστοσελίδα, ιστότοπος, ιστότοπος εταιρείας, אתר, אתר אינטרנט, דומיין,
        الموقع, الموقع الإلكتروني, موقع الشركة, الموقع الالكتروني, النطاق, نطاق الشركة, اسم النطاق,
        موقع الويب, وب سایت, ウェブサイト, ホームページ, サイト, ドメイン, webサイト, 会社url,
        企業サイト, 会社サイト, 企業url, ウェブサイトurl, ホームページurl, 网站, 网址, 公司网站,
        公司网址, 域名, 官网, 公司域名, 企业网站, 网站地址, 網站, 網址, 公司網站, 網域, 官網, 網域名稱,
        웹사이트, 홈페이지, 도메인, 회사 웹사이트, 사이트, trang web, tên miền, situs web, เว็บไซต์
    """,
    FULL_NAME: """
        full name, name, contact name, person name, display name, lead name, member name, complete name,
        contact, person, lead, first and last name, first name last name, last name first name,
        vollständiger name, ansprechpartner, vor und nachname, vorname nachname, nachname vorname,
        kontaktperson, nom complet, nom prénom, prénom nom, nom et prénom, prénom et nom, nom,
        nombre completo, nombre y apellidos, nombre y apellido, apellidos y nombre, nombre apellidos,
        nombre, nome completo, nome e cognome, cognome e nome, nome cognome, nominativo,
        nome e sobrenome, nome e apelido, nome, volledige naam, naam, contactpersoon,
        voor en achternaam, fullständigt namn, för och efternamn, namn, fulde navn, fullt navn,
        for og efternavn, for og etternavn, kontaktnavn, navn, koko nimi, etunimi ja sukunimi,
        yhteyshenkilö, nimi, imię i nazwisko, nazwisko i imię, imię nazwisko, osoba kontaktowa,
        celé jméno, jméno a příjmení, příjmení a jméno, jméno příjmení, kontaktní osoba, jméno,
        celé meno, meno a priezvisko, meno, teljes név, név, nume complet, nume și prenume,
        nume prenume, nume, ime i prezime, ime in priimek, prezime i ime, ime, nimi perekonnanimi,
        vārds uzvārds, vardas pavardė, ad soyad, adı soyadı, adı ve soyadı, ad ve soyad, tam ad,
        isim soyisim, adı, ad, isim, ismi, fullt nafn, nafn, ονοματεπώνυμο, πλήρες όνομα, όνομα,
        полное имя, фио, имя и фамилия, фамилия и имя, имя фамилия, фамилия имя, фамилия имя отчество,
        контактное лицо, контакт, имя, повне імя, піб, імя та прізвище, прізвище та імя, імя, пълно име,
        име и фамилия, име, имена, שם מלא, שם, الاسم الكامل, اسم جهة الاتصال, اسم الشخص, الاسم واللقب,
        الاسم, اسم, نام و نام خانوادگی, نام, 氏名, ご氏名, お名前, 名前, フルネーム, 担当者, 担当者名,
        姓名, 全名, 联系人, 联系人姓名, 聯絡人, 聯絡人姓名, 名字, 성명, 성함, 이름, 담당자, 담당자명,
        họ và tên, họ tên, tên, nama lengkap, nama, ชื่อ นามสกุล, ชื่อ
    """,
}
"""Field to its headers, with commas between them. Case, accents, spaces and punctuation do not matter."""

HALF_OF_A_NAME: Final[Mapping[str, str]] = {
    "first_name": """
        name, nombre, nome, nom, naam, namn, navn, nimi, jméno, meno, név, nume, ime, adı, ad, isim,
        ismi, όνομα, имя, імя, име, שם, الاسم, اسم, نام, 名前, 名字, 이름, tên, nama, ชื่อ
    """,
    "last_name": "name, nom, nome, naam, namn, navn, nimi, név, nume, 氏, 名字",
}
"""Headers of a whole name that mean one half of it where the other half has a column of its own."""

REMARKS: Final = """
    required, optional, s, es, primary, main, business, work, pflichtfeld, pflicht, obligatoire,
    facultatif, obligatorio, obbligatorio, verplicht, obligatorisk, pakollinen, wymagane, povinné,
    zorunlu, обязательно, обязательное, рус, лат, مطلوب, إلزامي, 必須, 任意, 必填, 选填, 필수, 선택
"""
"""Words in parentheses behind a header that do not change its meaning."""

LAST_NAME_FIRST: Final = """
    last name first name, nachname vorname, nom prénom, nom et prénom, apellidos y nombre,
    cognome e nome, cognome nome, nazwisko i imię, příjmení a jméno, priezvisko a meno, név, teljes név,
    nume și prenume, nume prenume, prezime i ime, soyadı adı, фио, фамилия имя, фамилия и имя,
    фамилия имя отчество, піб, прізвище та імя, прізвище імя, ονοματεπώνυμο, họ và tên, họ tên
"""
"""Headers of a whole name that begins with the last name."""

FOOTER: Final = """
    total, totals, grand, run, filters, as, subtotal, sum, count, rows, records, record, generated, exported,
    report,
    copyright, confidential, page, source, filtered, printed, end, summe, gesamt, gesamtsumme, anzahl,
    erstellt, seite, vertraulich, généré, exporté, confidentiel, totale, generato, esportato, totaal,
    gegenereerd, totalt, yhteensä, razem, suma, wygenerowano, celkem, vygenerováno, итого, всего,
    создано, toplam, oluşturuldu, المجموع, الإجمالي, 合計, 計, 总计, 合计, 共计, 總計, 합계
"""
"""First words of the lines that a report has below its table."""

BEFORE_A_VALUE: Final = (
    "by, on, at, of, from, von, am, par, le, por, el, da, il, door, op, av, przez, dnia, автор, дата"
)
"""Second words of such a line that has a value in its next cell: ``Run by``, ``Generated on``."""
